#!/usr/bin/env bash
# Logs in an object store: a replay of s3:// is the replay of the same files on disk. The store is moto's server on a free
# port of the loopback interface. RETRIAL is the program, PYTHON a Python with the packages of requirements.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -n ${RETRIAL:-} ]]; then retrial=("$RETRIAL"); else retrial=(cargo run --quiet --); fi
if [[ -z ${PYTHON:-} ]]; then
  venv=${CARGO_TARGET_DIR:-target}/ci-venv
  if ! cmp -s .ci/requirements.txt "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement .ci/requirements.txt
    cp .ci/requirements.txt "$venv/installed.txt"
  fi
  PYTHON=$venv/bin/python
fi

work=$(mktemp -d)
server=
at_exit() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap at_exit EXIT

export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
unset AWS_SESSION_TOKEN AWS_PROFILE AWS_ENDPOINT_URL_S3 AWS_ALLOW_HTTP
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 NO_COLOR=1
fail() {
  echo "FAILED: $1" >&2
  [[ ! -f $work/stderr ]] || tail -n 20 "$work/stderr" >&2
  exit 1
}

# The server chooses its port and writes it down.
"$PYTHON" .ci/s3_server.py "$work/port" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 200); do
  [[ ! -s $work/port ]] || break
  kill -0 "$server" 2>/dev/null || { cat "$work/server.log" >&2; fail "the S3 server did not start"; }
  sleep 0.1
done
[[ -s $work/port ]] || fail "the S3 server did not start within 20 s"
AWS_ENDPOINT_URL=http://127.0.0.1:$(cat "$work/port")
export AWS_ENDPOINT_URL

logs=datasets/workmail/logs
policies=datasets/workmail/policies
"$PYTHON" - "$logs" <<'PYTHON'
import os, pathlib, sys
import boto3

root = pathlib.Path(sys.argv[1])
client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
client.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
for path in sorted(path for path in root.rglob("*") if path.is_file()):
    client.upload_file(str(path), "trail", "org trail/ü/" + path.relative_to(root).as_posix())
# Beside the logs: a digest, a folder's marker, something that is no log, more than one page of a listing.
client.put_object(Bucket="trail", Key="org trail/ü/AWSLogs/CloudTrail-Digest/x.json.gz", Body=b"{}")
client.put_object(Bucket="trail", Key="org trail/ü/empty/", Body=b"")
client.put_object(Bucket="trail", Key="org trail/ü/picture.png", Body=b"\x89PNG")
# Keys with parts that cannot be asked for, among others and alone.
record = b'{"eventVersion":"1.11","eventID":"%d","eventTime":"2026-01-01T00:00:00Z","eventSource":"workmail.amazonaws.com","eventName":"ListUsers","userIdentity":{"type":"IAMUser"}}'
for number, key in enumerate(["odd/a.json", "odd//b.json", "odd/c/../d.json", "odd/e.json"]):
    client.put_object(Bucket="trail", Key=key, Body=record % number)
for number in range(1100):
    client.put_object(Bucket="trail", Key=f"many/{number:04}", Body=b"")
PYTHON

replay() {
  local name=$1
  shift
  "${retrial[@]}" replay "$@" --baseline "$policies/baseline" --candidate "read-only=$policies/read-only" -o "$work/$name" \
    --keep "$work/$name-events" >"$work/stdout" 2>"$work/stderr" || fail "replay of $*"
}

replay local "$logs"
replay remote "s3://trail/org trail/"
replay glob 's3://trail/org trail/*/AWSLogs/**/*.json.gz'
for name in remote glob; do
  for table in changes principals statements; do
    cmp "$work/local/$table.parquet" "$work/$name/$table.parquet" || fail "$name: $table.parquet differs from that of the files"
  done
done

# One object by its whole name; a second run loads nothing new.
object=$("$PYTHON" - <<'PYTHON'
import os, boto3
client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
keys = [found["Key"] for found in client.list_objects_v2(Bucket="trail", Prefix="org trail/ü/AWSLogs/")["Contents"]]
print("s3://trail/" + next(key for key in keys if "/CloudTrail/" in key))
PYTHON
)
for _ in 1 2; do
  "${retrial[@]}" ingest "$object" -o "$work/one" >"$work/stdout" 2>"$work/stderr" || fail "ingest of $object"
done
grep -q '1 file loaded before' "$work/stdout" || fail "the second run did not know the object: $(cat "$work/stdout")"

# What cannot be asked for costs itself.
# Settings of other programs do not matter.
AWS_PROFILE=ünused AWS_ENDPOINT_URL_DYNAMODB=nowhere "${retrial[@]}" ingest s3://trail/odd -o "$work/odd" >"$work/stdout" 2>"$work/stderr" || fail "ingest of odd keys"
grep -q '^new  *4  *2  *0  *2$' "$work/stdout" || fail "of four objects with odd keys not two were read: $(cat "$work/stdout")"
for key in odd//b.json odd/c/../d.json; do
  grep -q -- "$key" "$work/stderr" || fail "\`$key\` is not named"
done

refused() {
  local wanted=$1 status=0
  shift
  rm -rf "$work/refused"
  "${retrial[@]}" ingest "$@" -o "$work/refused" >"$work/stdout" 2>"$work/stderr" || status=$?
  ((status == 2)) || fail "ingest $*: exit code $status, expected 2"
  grep -qi -- "$wanted" "$work/stderr" || fail "ingest $*: standard error does not say \`$wanted\`"
}
refused 'NoSuchBucket\|not found' s3://no-such-bucket/
refused 'no log file in' s3://trail/nothing-here/
refused 'no log file in' s3://trail/many/

AWS_ENDPOINT_URL=localhost:9000 refused 'AWS_ENDPOINT_URL is' s3://trail/
AWS_SESSION_TOKEN=$(printf 'a\nb') refused 'AWS_SESSION_TOKEN has characters' s3://trail/
refused 'names no bucket' 's3://a b/x'
refused 'names no bucket' 's3://tra*/org'

echo "replays of s3:// equal those of the files"

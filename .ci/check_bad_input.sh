#!/usr/bin/env bash
# Broken logs cost only themselves; a broken policy ends the run with its place. RETRIAL is the program, PYTHON a Python
# with the packages of requirements.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
if [[ -n ${RETRIAL:-} ]]; then retrial=("$RETRIAL"); else retrial=(cargo run --quiet --); fi
candidate=.ci/real/read-only.json
export NO_COLOR=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
logs=$work/logs
mkdir "$logs"
failures=0

fail() {
  echo "FAILED: $1" >&2
  failures=$((failures + 1))
}

# Runs the program with its output in $work/NAME.stdout and .stderr; expects an exit code.
run() {
  local name=$1 wanted=$2 status=0
  shift 2
  "${retrial[@]}" "$@" >"$work/$name.stdout" 2>"$work/$name.stderr" </dev/null || status=$?
  cat "$work/$name.stdout" "$work/$name.stderr" >"$work/$name.all"
  if ((status != wanted)); then
    fail "$name: exit code $status, expected $wanted; its output ends with:"
    tail -n 20 "$work/$name.all" >&2
  fi
  if grep -q 'panicked' "$work/$name.stderr"; then
    fail "$name: panicked"
    cat "$work/$name.stderr" >&2
  fi
}

# A record with an id of its own.
record() {
  printf '{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE%s","arn":"arn:aws:iam::111122223333:user/alice","accountId":"111122223333","userName":"alice"},"eventTime":"2026-03-04T05:06:07Z","eventSource":"workmail.amazonaws.com","eventName":"ListUsers","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.10","userAgent":"aws-cli/2.0","requestParameters":{"organizationId":"m-0123456789abcdef0123456789abcdef"},"responseElements":null,"requestID":"%s","eventID":"%s","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}' ALICE "request-$1" "$1"
}

# --- logs -------------------------------------------------------------------------------------------------------------

printf '{"Records":[%s,%s]}' "$(record good-1)" "$(record good-2)" >"$logs/good.json"

# Half of a compressed file: what can be inflated is not enough for a record.
printf '{"Records":[%s]}' "$(record lost-with-gzip)" | gzip -c >"$work/whole.gz"
head -c $(($(wc -c <"$work/whole.gz") / 2)) "$work/whole.gz" >"$logs/broken-gzip.json.gz"

# Ends inside its second record; the first is whole.
cut_off=$(record lost-with-the-end)
printf '{"Records":[%s,%s' "$(record good-3)" "${cut_off:0:200}" >"$logs/truncated.json"

printf '{"Records":["only a string",%s]}' "$(record good-4)" >"$logs/string-record.json"
: >"$logs/empty.json"
broken=(broken-gzip.json.gz truncated.json string-record.json empty.json)

# A file that is there and cannot be opened: named directly, since a walk need not follow links.
ln -s nowhere.json "$logs/dangling.json"
paths=("$logs" "$logs/dangling.json")
broken+=(dangling.json)
# Root reads every file whatever its mode.
if ((EUID != 0)); then
  printf '{"Records":[%s]}' "$(record lost-with-mode)" >"$logs/forbidden.json"
  chmod 000 "$logs/forbidden.json"
  broken+=(forbidden.json)
fi

run ingest 0 ingest "${paths[@]}" -o "$work/events"
run replay 0 replay "${paths[@]}" --candidate "read-only=$candidate" -o "$work/report"

for file in "${broken[@]}"; do
  grep -qF "$file" "$work/replay.all" || fail "replay: its output does not name $file"
done

if ((failures == 0)); then
  "$python" - "$work/events" "$work/report" "${broken[@]}" <<'PYTHON' || fail "what was kept and what was skipped"
import json
import sys

import duckdb

events, report, *broken = sys.argv[1:]
good = {"good-1", "good-2", "good-3", "good-4"}
problems = []

found = {row[0] for row in duckdb.sql(f"SELECT event_id FROM read_parquet('{events}/**/*.parquet')").fetchall()}
if found != good:
    problems.append(f"events {sorted(found)}, expected {sorted(good)}")

rows = duckdb.sql(f"SELECT file, reason FROM read_parquet('{report}/skipped.parquet') ORDER BY ALL").fetchall()
for name in broken:
    reasons = [reason for file, reason in rows if file.endswith("/" + name)]
    print(f"  {name}: skipped as {', '.join(reasons) or 'nothing'}")
    if not reasons:
        problems.append(f"{name} is not in skipped.parquet")
if any(file.endswith("/good.json") for file, _ in rows):
    problems.append("something of good.json was skipped")

with open(f"{report}/manifest.json", encoding="utf-8") as file:
    counts = json.load(file)["counts"]
if counts["events"] != len(good) or counts["skipped"] != len(rows):
    problems.append(f"manifest: events {counts['events']}, skipped {counts['skipped']}; expected {len(good)} and {len(rows)}")

print("\n".join(problems))
sys.exit(1 if problems else 0)
PYTHON
fi
if ((failures == 0)); then
  "$python" .ci/check_report.py "$work/report" "$work/events"
fi

# --- a policy ---------------------------------------------------------------------------------------------------------

# The fifth line lacks its quotes.
cat >"$work/bad-policy.json" <<'JSON'
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": Allow,
      "Action": "workmail:List*",
      "Resource": "*"
    }
  ]
}
JSON
run policy 2 replay "$logs/good.json" --candidate "bad=$work/bad-policy.json" -o "$work/never"
grep -qE 'bad-policy\.json:5:[0-9]+' "$work/policy.stderr" || fail "policy: the message has no file:line:column (bad-policy.json:5:...)"
grep -qF '"Effect": Allow' "$work/policy.stderr" || fail "policy: the message does not show the line"
[[ ! -e $work/never ]] || fail "policy: a report was written all the same"
echo "  bad-policy.json: $(grep -m1 -oE 'bad-policy\.json:[0-9]+:[0-9]+.*' "$work/policy.stderr" || true)"

if ((failures > 0)); then
  echo "$failures checks of broken input failed" >&2
  [[ ! -s $work/replay.all ]] || { echo "the replay said:"; tail -n 60 "$work/replay.all"; } >&2
  [[ ! -s $work/policy.all ]] || { echo "the run with the bad policy said:"; tail -n 20 "$work/policy.all"; } >&2
  exit 1
fi
echo "broken logs cost only themselves, a broken policy ends the run with its place"

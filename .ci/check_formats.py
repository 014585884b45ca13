#!/usr/bin/env python3
"""Checks what code hosts and CI servers read of a report against the schemas of their formats.

    check_formats.py REPORT --sarif-schema FILE --junit-schema FILE

Renders REPORT with $RETRIAL as SARIF and as JUnit XML, validates both, and compares their counts with manifest.json. Exit
code 1 at the first thing that is wrong. Needs the packages of requirements.txt beside this file.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as tree
from pathlib import Path

import jsonschema
import xmlschema

CHANGES = ["lost", "gained", "potentially_lost", "potentially_gained", "undetermined", "baseline_contradicted"]


def render(report: Path, form: str) -> str:
    command = [os.environ["RETRIAL"], "report", str(report), "--format", form]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def equal(found, expected, what: str) -> None:
    if found != expected:
        sys.exit(f"{what}: {found} instead of {expected}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--sarif-schema", type=Path, required=True)
    parser.add_argument("--junit-schema", type=Path, required=True)
    arguments = parser.parse_args()
    manifest = json.loads((arguments.report / "manifest.json").read_text())
    expected = {
        (candidate["name"], change): events
        for candidate in manifest["candidates"]
        for change, events in candidate["events"].items()
        if events and change in CHANGES
    }

    sarif = json.loads(render(arguments.report, "sarif"))
    schema = json.loads(arguments.sarif_schema.read_text())
    for error in jsonschema.validators.validator_for(schema)(schema).iter_errors(sarif):
        sys.exit(f"SARIF: {error.message} at {list(error.path)}")
    found = collections.Counter()
    for result in sarif["runs"][0]["results"]:
        found[result["properties"]["candidate"], result["ruleId"]] += result["properties"]["events"]
    equal(dict(found), expected, "events of the SARIF results")
    print(f"SARIF: {len(sarif['runs'][0]['results'])} results are valid, and have the events of the manifest")

    text = render(arguments.report, "junit")
    for error in xmlschema.XMLSchema(str(arguments.junit_schema)).iter_errors(text):
        sys.exit(f"JUnit: {error.reason} at {error.path}")
    suites = tree.fromstring(text)
    for suite, candidate in zip(suites, manifest["candidates"], strict=True):
        properties = {entry.get("name"): int(entry.get("value")) for entry in suite.iter("property")}
        for change in CHANGES:
            equal(properties[f"events.{change}"], candidate["events"].get(change, 0), f"{change} of the suite {candidate['name']}")
        cases = suite.findall("testcase")
        equal(int(suite.get("tests")), len(cases), f"tests of the suite {candidate['name']}")
        failed = sum(case.find("failure") is not None for case in cases)
        equal(int(suite.get("failures")), failed, f"failures of the suite {candidate['name']}")
    print(f"JUnit: {sum(len(suite.findall('testcase')) for suite in suites)} cases are valid, and have the events of the manifest")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Runs the workflow of the README step by step in a clean shell, on a copy of the repository.

    check_workflow.py

The program is $RETRIAL; installing it, commenting and uploading are left out, since they need a code host. The replay has
to fail while nothing is accepted, and to pass with the accepted changes. Needs the packages of requirements.txt beside
this file.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
# What runs without a code host.
STEPS = ["replay", "render"]


def steps() -> dict[str, str]:
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"```yaml\n(# \.github/workflows/.*?)```", readme, re.DOTALL)
    if found is None:
        sys.exit("README.md has no workflow")
    job = yaml.safe_load(found.group(1))["jobs"]["replay"]
    return {step["name"]: step["run"] for step in job["steps"] if "run" in step}


def run(script: str, folder: Path, summary: Path) -> subprocess.CompletedProcess:
    environment = {"PATH": f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "GITHUB_STEP_SUMMARY": str(summary)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def expect(condition: bool, what: str, done: subprocess.CompletedProcess) -> None:
    if not condition:
        sys.exit(f"{what}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def main() -> None:
    scripts = steps()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "datasets", folder / "datasets")
        (folder / "bin").mkdir()
        (folder / "bin/retrial").symlink_to(os.environ["RETRIAL"])
        summary = folder / "summary.md"
        accepted = (folder / "datasets/accepted.toml").read_text()
        (folder / "datasets/accepted.toml").write_text("")
        done = run(scripts["replay"], folder, summary)
        expect(done.returncode == 1 and "lost" in done.stderr, "the replay of a tightening candidate has to fail", done)
        print("fails while nothing is accepted:", done.stderr.strip().splitlines()[-1])
        (folder / "datasets/accepted.toml").write_text(accepted)
        done = run(scripts["replay"], folder, summary)
        expect(done.returncode == 0 and "accepts" in done.stderr, "the replay has to pass with the accepted changes", done)
        accepting = [line for line in done.stderr.splitlines() if " accepts " in line]
        expect("accepts nothing" not in done.stderr, "every entry has to accept something", done)
        print(f"passes with the accepted changes: {len(accepting)} entries accept something")
        done = run(scripts["render"], folder, summary)
        expect(done.returncode == 0, "the render step has to pass", done)
        for file in ("summary.md", "report.sarif", "report.xml", "report/report.html"):
            expect((folder / file).stat().st_size > 0, f"{file} has to be written", done)
        print("renders: the summary, SARIF, JUnit and the page")


if __name__ == "__main__":
    main()

"""What the README says that its commands print is what they print.

usage: check_readme.py FOLDER

Runs the commands of every `console` block of README.md in a new FOLDER, with the shipped data and the files that the README shows
or describes, by the program that RETRIAL names. What a block shows stands in the output of its command, line by line; `...` stands
for lines that the README leaves out. A command of which it shows nothing has to end with exit code 0,
with --fail-on with 1.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "datasets/workmail"
README = (ROOT / "README.md").read_text()
# What needs AWS or Terraform, or is checked by other steps.
NOT_RUN = ("aws ", "terraform ", "cargo test", "cargo install ", "scripts/collect.sh ", "git clone ")


def shown(begins):
    """The block of the README that begins so."""
    return next(text for text in re.findall(r"```\w+\n(.*?)```", README, re.S) if text.startswith(begins))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def prepare(folder):
    """The files that commands name."""
    shutil.copytree(ROOT / "datasets", folder / "datasets")
    shutil.copytree(DATA / "logs", folder / "logs")
    for name in ("next", "policies/baseline"):
        shutil.copytree(DATA / "policies/baseline", folder / name)
    for name in ("no-reset", "policies/less"):
        write(folder / name / "changes.toml", shown('[[change]]\nattach = "no-password-reset.json"\n'))
        write(folder / name / "no-password-reset.json", shown('{\n  "Version": "2012-10-17",\n  "Statement": [\n    { "Sid": "NoReset"'))
    for file in (folder / "next").glob("*.json"):
        snapshot = json.loads(file.read_text())
        for user in snapshot.get("UserDetailList", []):
            if user["UserName"] == "hr-sync":
                user["GroupList"] = []
        file.write_text(json.dumps(snapshot))
    write(folder / "case.json", shown('{\n  "id": "reset-from-home"'))
    shutil.copy(DATA / "policies/old-admins-plan/plan.json", folder)
    write(folder / "template.yaml", TEMPLATE)
    statement = '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {\n      "Effect": Allow,\n      "Action": "workmail:*"\n    }\n  ]\n}\n'
    write(folder / "draft.json", statement)
    write(folder / "typo.toml", '[[change]]\nattach = "no-reset/no-password-reset.json"\nto     = ["arn:aws:iam::111122223333:user/mail/bjorn.dal"]\n')


TEMPLATE = """Parameters:
  Stage:
    Type: String
Resources:
  Readers:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: !Sub mail-readers-${Stage}
      Users: [bjorn.dahl]
      PolicyDocument:
        Version: '2012-10-17'
        Statement: [{Effect: Allow, Action: 'workmail:List*', Resource: '*'}]
"""


def break_logs(folder):
    """The logs of the section on broken input."""
    logs = folder / "logs"
    whole = next(logs.rglob("*_CloudTrail_us-east-1_20260918T1135Z_*.json.gz")).read_bytes()
    shutil.rmtree(logs)
    write(logs / "empty.json", "")
    write(logs / "odd.json", '{"Records":["text",{"eventVersion":"1.08"}]}')
    (logs / "whole.json.gz").write_bytes(whole)
    (logs / "cut.json.gz").write_bytes(whole[:2000])


def difference(said, printed):
    """None, or the first line of the README that is not there, and what is there in its place."""
    at, free = 0, False
    for line in said:
        if line.strip() == "...":
            free = True
            continue
        if free and line in printed[at:]:
            at = printed.index(line, at)
        elif at >= len(printed) or printed[at] != line:
            return line, printed[at] if at < len(printed) else "nothing more"
        at, free = at + 1, False
    return None if free or at == len(printed) else ("nothing more", printed[at])


def blocks():
    """Each console block: its section, the line that it begins in, its commands with what they are said to print."""
    section = ""
    for found in re.finditer(r"^##+ ([^\n]*)$|^```console\n(.*?)^```", README, re.S | re.M):
        if found.group(2) is None:
            section = found.group(1)
            continue
        parts = re.split(r"^\$ ", found.group(2), flags=re.M)[1:]
        commands = [(command, said) for command, *said in map(str.splitlines, parts)]
        yield section, README[: found.start()].count("\n") + 1, commands


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True)
    prepare(folder)
    (folder / "bin").mkdir()
    (folder / "bin/retrial").symlink_to(pathlib.Path(os.environ["RETRIAL"]).resolve())
    environment = dict(os.environ, PATH=f"{folder}/bin:{os.environ['PATH']}", NO_COLOR="1")
    environment.pop("COLUMNS", None)

    def run(command):
        command = command.replace("cargo run -- ", "retrial ")
        done = subprocess.run(command, shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout.splitlines()

    wrong, commands, lines, before, explained, code = [], 0, 0, None, None, None
    all_blocks = list(blocks())
    for section, line, block in all_blocks:
        if section != before and section in ("Logs", "Broken input"):
            shutil.rmtree(folder / "events")
        if section != before and section == "Broken input":
            break_logs(folder)
        if section != before and section == "Explain one event":
            run(all_blocks[0][2][0][0])
        before = section
        for command, said in block:
            if command.startswith(NOT_RUN):
                continue
            commands, lines = commands + 1, lines + len(said)
            if command == explained:
                with (folder / "datasets/workmail/policies/wind-down/deny-new.json").open("a") as changed:
                    changed.write(" ")
            explained = command if command.startswith("retrial explain ") else explained
            if command == "echo $?":
                printed = [str(code)]
            else:
                code, printed = run(command)
            differs = difference(said, printed)
            if not said:
                found = 1 if "--fail-on" in command else 0
                differs = (f"it ends with exit code {found}", printed) if code != found else None
            if differs:
                wrong.append(f"line {line}: `{command}`\n  README:  {differs[0]}\n  printed: {differs[1]}")
    if commands < 30 or lines < 200:
        wrong.append(f"only {commands} commands and {lines} lines were found")
    if wrong:
        sys.exit("README.md says something else than its commands print:\n" + "\n".join(wrong))
    print(f"{commands} commands of the README print what it says, {lines} lines")


main()

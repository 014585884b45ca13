"""How the cost of a replay grows: `python benches/scale.py RETRIAL WORK [events] [principals] [statements] [candidates]`.

Makes inputs in the folder WORK, replays each with the program RETRIAL (a release build) and writes benches/scale.csv:
CPU seconds of the whole process (the least of three runs), wall time, peak memory. Curves that are not named keep the
rows that the file has. `python benches/scale_plot.py` draws it.
"""

import csv
import json
import pathlib
import random
import subprocess
import sys
import uuid

HERE = pathlib.Path(__file__).parent
COLUMNS = ["curve", "size", "cpu_seconds", "wall_seconds", "memory_mb", "rows"]
ACCOUNT = "111122223333"
SHARED = f"arn:aws:iam::{ACCOUNT}:policy/Everyone"
ACTIONS = ["ListUsers", "DescribeUser", "ListGroups", "DescribeGroup", "CreateUser", "DeleteUser", "UpdateUser",
           "CreateAlias", "DeleteAlias", "ResetPassword"]
EVENTS = 300_000
SIZES = {
    "events": [10**5, 10**6, 3 * 10**6, 10**7, 10**8],
    "principals": [10, 100, 1_000, 10_000, 100_000],
    "statements": [10, 100, 1_000, 10_000, 100_000],
    "candidates": [1, 2, 5, 10, 20, 50],
}


# A process of its own: memory that a parent had counts as its child's.
MEASURE = """
import os, subprocess, sys, time
begun = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_utime + usage.ru_stime, time.monotonic() - begun, usage.ru_maxrss >> 10)
sys.exit(status != 0)
"""


def measured(command):
    """CPU and wall seconds and peak memory in MB of a command."""
    process = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {process.stderr}")
    cpu, wall, memory = process.stdout.split()
    return float(cpu), float(wall), int(memory)


def replay(retrial, events, baseline, candidates, report):
    """The least of three runs."""
    command = [retrial, "replay", events, "--baseline", baseline, "-o", report, "-q"]
    for candidate in candidates:
        command += ["--candidate", candidate]
    cpu, wall, memory = min(measured(command) for _ in range(3))
    manifest = json.loads((report / "manifest.json").read_text())
    rows = sum(sum(candidate["requests"].values()) for candidate in manifest["candidates"])
    return [f"{cpu:.2f}", f"{wall:.2f}", memory, rows]


def user_arn(number):
    return f"arn:aws:iam::{ACCOUNT}:user/mail/user-{number:06}"


def record(number, users, rng):
    user = number % users if number < users else rng.randrange(users)
    seconds = number * 30 * 86_400 // EVENTS
    day, rest = divmod(seconds, 86_400)
    action = ACTIONS[rng.randrange(len(ACTIONS))]
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": f"AIDA{user:016}", "arn": user_arn(user), "accountId": ACCOUNT,
            "accessKeyId": f"AKIA{user:016}", "userName": f"user-{user:06}",
        },
        "eventTime": f"2026-06-{day + 1:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z",
        "eventSource": "workmail.amazonaws.com",
        "eventName": action,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": f"203.0.113.{rng.randrange(256)}",
        "userAgent": "aws-cli/2.31.0",
        "requestParameters": {"organizationId": f"m-{rng.randrange(4):032x}"},
        "requestID": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "eventID": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "readOnly": action.startswith(("List", "Describe")),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }


def dataset(retrial, work, users):
    """An events dataset of so many users."""
    events = work / f"users-{users}"
    if not events.exists():
        rng = random.Random(users)
        logs = work / f"logs-{users}"
        logs.mkdir(parents=True, exist_ok=True)
        for part in range(0, EVENTS, 50_000):
            records = [record(number, users, rng) for number in range(part, part + 50_000)]
            (logs / f"{part}.json").write_text(json.dumps({"Records": records}))
        measured([retrial, "ingest", logs, "-o", events, "-q"])
    return events


def allow(number):
    """A statement on an organization that nobody calls."""
    return {
        "Effect": "Allow",
        "Action": f"workmail:{ACTIONS[number % len(ACTIONS)]}",
        "Resource": f"arn:aws:workmail:eu-west-1:{ACCOUNT}:organization/m-f{number:031x}",
        "Condition": {"IpAddress": {"aws:SourceIp": f"198.51.{number // 256 % 256}.{number % 256}/32"}},
    }


def policies(folder, users, statements, candidates):
    """A snapshot, and candidates that each replace the policy that all users share, with one statement changed."""
    baseline = folder / "baseline"
    baseline.mkdir(parents=True, exist_ok=True)
    document = [{"Sid": "Mail", "Effect": "Allow", "Action": "workmail:*", "Resource": "*"}]
    document += [allow(number) for number in range(statements - 1)]
    own = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "workmail:ResetPassword", "Resource": "*"}]}
    details = [
        {
            "Path": "/mail/", "UserName": f"user-{user:06}", "UserId": f"AIDA{user:016}", "Arn": user_arn(user),
            "CreateDate": "2025-01-01T00:00:00Z", "GroupList": [],
            "AttachedManagedPolicies": [{"PolicyName": "Everyone", "PolicyArn": SHARED}],
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": own}] if user % 2 else [],
        }
        for user in range(users)
    ]
    shared = {
        "PolicyName": "Everyone", "PolicyId": "ANPA0000000000000001", "Arn": SHARED, "Path": "/", "DefaultVersionId": "v1",
        "AttachmentCount": users, "PermissionsBoundaryUsageCount": 0, "IsAttachable": True,
        "CreateDate": "2025-01-01T00:00:00Z", "UpdateDate": "2025-01-01T00:00:00Z",
        "PolicyVersionList": [
            {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": "2025-01-01T00:00:00Z",
             "Document": {"Version": "2012-10-17", "Statement": document}}
        ],
    }
    snapshot = {"UserDetailList": details, "GroupDetailList": [], "RoleDetailList": [], "Policies": [shared], "IsTruncated": False}
    (baseline / "account.json").write_text(json.dumps(snapshot))
    drafts = []
    for number in range(candidates):
        draft = folder / f"draft-{number:02}"
        draft.mkdir(exist_ok=True)
        changed = {"Sid": "Mail", "Effect": "Allow", "NotAction": [f"workmail:{action}" for action in ACTIONS[: 1 + number % 9]],
                   "Resource": f"arn:aws:workmail:eu-west-1:{ACCOUNT}:organization/m-*{number % 4}*"}
        (draft / "everyone.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [changed, *document[1:]]}))
        (draft / "changes.toml").write_text(f'[[change]]\nreplace = "{SHARED}"\nwith = "everyone.json"\n')
        drafts.append(draft)
    return baseline, drafts


def point(retrial, work, curve, size):
    report = work / "report"
    if curve == "events":
        estate = work / f"events-{size}"
        if not estate.exists():
            measured([retrial, "generate", estate, "--events", str(size), "--seed", "1", "--as", "events", "-q"])
        return replay(retrial, estate / "events", estate / "policies/baseline", [estate / "policies/mfa-region-lock"], report)
    users = size if curve == "principals" else 100
    statements = size if curve == "statements" else 10
    candidates = size if curve == "candidates" else 1
    baseline, drafts = policies(work / f"{curve}-{size}", users, statements, candidates)
    return replay(retrial, dataset(retrial, work, users), baseline, drafts, report)


def main(retrial, work, curves):
    table = HERE / "scale.csv"
    rows = {}
    if table.exists():
        rows = {(row[0], int(row[1])): row for row in list(csv.reader(table.open()))[1:]}
    for curve in curves or SIZES:
        for size in SIZES[curve]:
            rows[curve, size] = [curve, size, *point(retrial, work, curve, size)]
            print(*rows[curve, size], flush=True)
    with table.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *(rows[key] for key in sorted(rows))])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:])

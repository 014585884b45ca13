"""Writes a log of N changes of policies of the users of an estate, spread over the year of its events.

    retrial generate estate --events 3000000 --seed 1 --as events
    python benches/policy_changes.py estate 1000 > changes.json
    retrial ingest changes.json -o estate/events

The snapshots stay what they are, so each change is one that was made and undone later: what a replay makes of it is more
work for the same answers.
"""

import json
import pathlib
import random
import sys
from datetime import datetime, timedelta

estate, changes = pathlib.Path(sys.argv[1]), int(sys.argv[2])
users = []
for file in sorted((estate / "policies/baseline").glob("*.json")):
    users += json.loads(file.read_text()).get("UserDetailList", [])
days = sorted(folder.name.removeprefix("date=") for folder in (estate / "events").glob("date=*"))
first, last = datetime.fromisoformat(days[0]), datetime.fromisoformat(days[-1])
chance = random.Random(7)
denial = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "workmail:DeleteMailDomain", "Resource": "*"}]})


def record(number, time, account, name, request):
    root = {"type": "Root", "principalId": account, "arn": f"arn:aws:iam::{account}:root", "accountId": account}
    return {
        "eventVersion": "1.11", "userIdentity": root, "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "eventID": f"change-{number:06}",
        "eventSource": "iam.amazonaws.com", "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.1",
        "userAgent": "aws-cli/2", "requestParameters": request, "responseElements": None, "readOnly": False, "eventType": "AwsApiCall",
        "managementEvent": True, "recipientAccountId": account, "eventCategory": "Management",
    }


records = []
for pair in range(changes // 2):
    user = chance.choice(users)
    account, name = user["Arn"].split(":")[4], user["UserName"]
    begin = first + timedelta(seconds=chance.randrange(int((last - first).total_seconds()) - 90_000))
    policy = {"userName": name, "policyName": f"lock-{pair}"}
    records.append(record(2 * pair, begin, account, "PutUserPolicy", {**policy, "policyDocument": denial}))
    records.append(record(2 * pair + 1, begin + timedelta(seconds=chance.randrange(3_600, 86_400)), account, "DeleteUserPolicy", policy))
json.dump({"Records": records}, sys.stdout)

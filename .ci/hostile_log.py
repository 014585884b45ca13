#!/usr/bin/env python3
"""Writes a log whose texts are markup, quotes, control and right-to-left characters, and a policy to try on it.

    hostile_log.py OUT      writes OUT/logs/hostile.json and OUT/draft.json
"""

import json
import sys
from pathlib import Path

TEXT = "<script>window.hostile = 1; alert(1)</script>\"'`</script><img src=x onerror=alert(2)>|=1+1\u202e\u0007\x1b[31m" + "w" * 300
ISSUER = f"arn:aws:iam::111122223333:role/{TEXT}"


def record(number: int, name: str) -> dict:
    return {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLE:{TEXT}",
            "arn": f"arn:aws:sts::111122223333:assumed-role/{TEXT}/{TEXT}",
            "accountId": "111122223333",
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": ISSUER, "accountId": "111122223333"}
            },
        },
        "eventTime": f"2026-03-{number:02}T05:06:07Z",
        "eventSource": "workmail.amazonaws.com",
        "eventName": name,
        "awsRegion": TEXT,
        "sourceIPAddress": TEXT,
        "userAgent": TEXT,
        "requestParameters": {"organizationId": TEXT},
        "responseElements": None,
        "requestID": TEXT,
        "eventID": f"{number}{TEXT}",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    }


def main() -> None:
    out = Path(sys.argv[1])
    (out / "logs").mkdir(parents=True, exist_ok=True)
    records = [record(1, "ListUsers"), record(2, TEXT), record(9, "DeleteUser")]
    (out / "logs/hostile.json").write_text(json.dumps({"Records": records}))
    statement = {"Effect": "Allow", "Action": "workmail:List*", "Resource": "*"}
    (out / "draft.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


if __name__ == "__main__":
    main()

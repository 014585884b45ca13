"""What users would pick instead, on the same distinct requests: `python benches/others.py RETRIAL WORK [CASES]`.

WORK is a folder where `npm install @cloud-copilot/iam-simulate` was run; moto is installed beside this Python. Each
program decides the same cases in a process of its own: `retrial simulate` (policies parsed and compiled for each case),
iam-simulate, a Python loop with the policy engine of moto. Prints cases a second, and how many answers are the same.
"""

import json
import pathlib
import subprocess
import sys
import time

ACCOUNT = "111122223333"
ACTIONS = ["ListUsers", "DescribeUser", "ListGroups", "DescribeGroup", "CreateUser", "DeleteUser", "UpdateUser",
           "CreateAlias", "DeleteAlias", "ResetPassword"]


def organization(number):
    return f"arn:aws:workmail:eu-west-1:{ACCOUNT}:organization/m-{number:032x}"


def case(number):
    user, rest = divmod(number, 40)
    place, action = divmod(rest, 10)
    shared = [{"Effect": "Allow", "Action": "workmail:*", "Resource": [organization(0), organization(1)]}]
    shared += [{"Effect": "Allow", "Action": f"workmail:{name}", "Resource": organization(100 + at)} for at, name in enumerate(ACTIONS[1:])]
    own = [{"Effect": "Deny", "Action": "workmail:ResetPassword", "Resource": "*"}]
    return {
        "id": str(number),
        "request": {
            "action": f"workmail:{ACTIONS[action]}", "resource": organization(place), "resourceAccount": ACCOUNT,
            "principal": {"type": "User", "arn": f"arn:aws:iam::{ACCOUNT}:user/mail/user-{user:06}", "account": ACCOUNT},
            "context": {},
        },
        "policies": {"identity": [{"Version": "2012-10-17", "Statement": statements} for statements in (shared, own)]},
    }


def with_moto(cases):
    from moto.iam.access_control import IAMPolicy, PermissionResult

    begun = time.monotonic()
    answers = []
    for one in cases:
        results = [
            IAMPolicy({"policy_document": json.dumps(policy)}).is_action_permitted(one["request"]["action"], one["request"]["resource"])
            for policy in one["policies"]["identity"]
        ]
        denied = PermissionResult.DENIED in results
        answers.append("Denied" if denied else "Allowed" if PermissionResult.PERMITTED in results else "Denied")
    print(json.dumps({"seconds": time.monotonic() - begun, "answers": answers}))


def is_allowed(answer):
    return answer.lower() == "allowed"


def main(retrial, work, count):
    cases = [case(number) for number in range(count)]
    path = work / "cases.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in cases))
    begun = time.monotonic()
    out = subprocess.run([retrial, "simulate", path], capture_output=True, check=True, text=True).stdout
    seconds = time.monotonic() - begun
    own = [is_allowed(json.loads(line)["decision"]) for line in out.splitlines()]
    print(f"retrial simulate: {count / seconds:,.0f} cases a second, {sum(own):,} of {count:,} allowed")
    here = pathlib.Path(__file__).resolve().parent
    for name, command in [
        ("iam-simulate", ["node", here / "others.mjs", path]),
        ("Python loop with moto", [sys.executable, here / "others.py", "--moto", path]),
    ]:
        result = json.loads(subprocess.run(command, capture_output=True, check=True, text=True, cwd=work).stdout)
        same = sum(is_allowed(answer) == mine for answer, mine in zip(result["answers"], own, strict=True))
        rate = count / result["seconds"]
        print(f"{name}: {rate:,.0f} cases a second ({rate * seconds / count:.4f} of ours), {same:,} answers the same")


if __name__ == "__main__":
    if sys.argv[1] == "--moto":
        with_moto([json.loads(line) for line in pathlib.Path(sys.argv[2]).read_text().splitlines()])
    else:
        main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), int(sys.argv[3]) if sys.argv[3:] else 4_000)

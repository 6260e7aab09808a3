"""Session tokens of the stock service: the `command` of its identity provider. `python tokens.py KEYS.json` answers one batch."""

import json
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import jwt

keys = json.loads(Path(sys.argv[1]).read_text())


def token(asked):
    variant = asked.get("variant", "valid")
    if variant == "platform_admin":
        return None
    now = int(time.time()) - (7200 if variant == "expired" else 0)
    claims = {
        "iss": keys["issuer"], "sub": asked["user_id"], "email": asked["email"], "org_id": asked["organization_id"],
        "role": asked["role"] if asked.get("ensure") or variant != "valid" else known(asked), "sid": str(uuid.uuid4()),
        "iat": now, "exp": now + 900,
    }  # fmt: skip
    claims |= asked.get("claims", {})
    key = keys["other_key"] if variant == "foreign_environment" else keys["key"]
    made = jwt.encode(claims, key, algorithm="RS256")
    if variant == "tampered":
        head, payload, signature = made.split(".")
        return ".".join((head, payload[:20] + payload[21] + payload[20] + payload[22:], signature))
    if variant == "signed_out":
        request = urllib.request.Request(
            f"{keys['base_url']}/v1/logout", method="POST", headers={"Authorization": f"Bearer {made}"}
        )
        urllib.request.urlopen(request, timeout=10).close()
    return made


def known(asked):
    """Members are those who were made so: the others' tokens name no role."""
    path = Path(keys["members"])
    members = json.loads(path.read_text()) if path.exists() else {}
    return members.get(f"{asked['user_id']} {asked['organization_id']}")


def remember(asked):
    path = Path(keys["members"])
    members = json.loads(path.read_text()) if path.exists() else {}
    members |= {f"{one['user_id']} {one['organization_id']}": one["role"] for one in asked if one.get("ensure")}
    path.write_text(json.dumps(members))


batch = json.loads(sys.stdin.read())
if "forget" in batch:
    print(json.dumps({"forgotten": True}))
else:
    remember(batch["requests"])
    print(json.dumps({"tokens": [token(one) for one in batch["requests"]]}))

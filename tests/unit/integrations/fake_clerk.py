"""A Clerk instance on loopback: users, organisations, memberships, sessions that end, tokens that its own key signs."""

import json
import re
from functools import cache, partial

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from .published import FOLDER, published

SECRET_KEY = "sk_test_only4thistest"
NOW = 1_893_456_000
"""2030-01-01: where the time of the tests begins, in seconds."""
KEY_ID = "ins_1"
KNOWN = (
    ("GET", r"/jwks"),
    ("GET", r"/users/count"),
    ("GET", r"/users/(\w+)/organization_memberships"),
    ("GET", r"/organizations/([\w-]+)/memberships"),
    ("POST", r"/sessions"),
    ("GET", r"/sessions/(\w+)"),
    ("POST", r"/sessions/(\w+)/tokens"),
    ("POST", r"/sessions/(\w+)/revoke"),
    ("POST", r"/sign_in_tokens"),
    ("POST", r"/testing_tokens"),
)


@cache
def signing_key(name="own"):
    """A key for the whole run: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def document():
    """The published document, read once; None where it is not there."""
    return published("clerk.json") if (FOLDER / "clerk.json").is_file() else None


class FakeClerk:
    """What the instance holds, and `refused`: what it was asked, or answered, that the published document does not allow."""

    def __init__(self, *, production=False):
        self.production = production
        self.users, self.memberships, self.sessions, self.tickets = ["user_1", "user_2"], [], {}, []
        self.problems, self.signed = [], 0
        self.document = document()

    def join(self, user, organization, role="org:member", permissions=("org:reports:read",)):
        self.memberships.append({"user": user, "organization": organization, "role": role, "permissions": list(permissions)})

    def sign(self, claims, key="own", algorithm="RS256", kid=KEY_ID):
        return jwt.encode(claims, signing_key(key), algorithm=algorithm, headers={"kid": kid})

    def answer(self, asked):
        """Check the request, act, and check the answer."""
        path = asked.path.removeprefix("/v1")
        try:
            self._check(asked, path)
        except AssertionError as fault:
            self.problems.append(str(fault))
            return self._error(422, "request_invalid", str(fault))
        if asked.headers.get("authorization") != f"Bearer {SECRET_KEY}":
            return self._error(401, "authentication_invalid", f"Invalid {asked.headers.get('authorization')}")
        status, document = self._acted(asked, path)
        try:
            self._check_answer(asked.method, path, status, document)
        except AssertionError as fault:
            self.problems.append(str(fault))
        return status, document

    def _check(self, asked, path):
        assert asked.path.startswith("/v1/"), f"{asked.path} is not below /v1"
        assert asked.method == "GET" or asked.body in (None, b"") or isinstance(asked.body, dict), f"{path} is not given JSON"
        assert any(asked.method == verb and re.fullmatch(form, path) for verb, form in KNOWN), f"{asked.method} {path} is unknown"
        assert 1 <= int(dict(asked.query).get("limit", 10)) <= 500, f"{path} is asked for too much at once"
        if self.document:
            self.document.check_request(asked, path)

    def _check_answer(self, method, path, status, document):
        if self.document:
            declared = self.document.operation(method, path)[0]["responses"]
            # The document leaves out refusals that every operation has, such as 401 and 429.
            if status < 400 or str(status) in declared:
                self.document.check_answer(method, path, status, document)

    @staticmethod
    def _error(status, code, message):
        # The long message is another sentence than the short one, as there.
        error = {"message": message, "long_message": f"{message} (at length)", "code": code}
        return status, {"errors": [error], "clerk_trace_id": "0123456789abcdef"}

    def _acted(self, asked, path):
        query = dict(asked.query)
        doing = {
            KNOWN[0]: lambda: (200, {"keys": [self._jwk("own", KEY_ID), self._jwk("older", "ins_0")]}),
            KNOWN[1]: lambda: (200, {"object": "total_count", "total_count": len(self.users)}),
            KNOWN[2]: partial(self._memberships_of, query=query),
            KNOWN[3]: partial(self._members, query=query),
            KNOWN[4]: lambda: self._begin(asked.body),
            KNOWN[5]: self._session,
            KNOWN[6]: partial(self._token, body=asked.body),
            KNOWN[7]: self._revoke,
            KNOWN[8]: lambda: self._ticket(asked.body),
            # Of all times this one alone is in seconds.
            KNOWN[9]: lambda: (
                200,
                {"object": "testing_token", "token": f"{NOW}-c_testing", "expires_at": NOW + 3600},
            ),
        }
        for (verb, form), act in doing.items():
            if asked.method == verb and (found := re.fullmatch(form, path)):
                return act(*found.groups())
        raise AssertionError(path)

    def _memberships_of(self, user, query):
        if user not in self.users:
            return self._error(404, "resource_not_found", "No user was found")
        return self._paged([row for row in self.memberships if row["user"] == user], query)

    def _members(self, organization, query):
        rows = [row for row in self.memberships if row["organization"] == organization]
        wanted = query.get("user_id")
        if wanted and wanted[0] == "-":
            rows = [row for row in rows if row["user"] != wanted[1:]]
        elif wanted:
            rows = [row for row in rows if row["user"] == wanted.lstrip("+ ")]
        return self._paged(rows, query)

    def _paged(self, rows, query):
        start, most = int(query.get("offset", 0)), int(query.get("limit", 10))
        return 200, {"data": [self._membership(row) for row in rows[start : start + most]], "total_count": len(rows)}

    def _membership(self, row):
        moments = {"created_at": NOW * 1000, "updated_at": NOW * 1000}
        settings = {"has_image": False, "max_allowed_memberships": 5, "admin_delete_enabled": True, "public_metadata": {}}
        person = {"first_name": None, "last_name": None, "profile_image_url": None, "image_url": "", "has_image": False}
        organization = {
            "object": "organization",
            "id": row["organization"],
            "name": "Acme",
            "slug": "acme",
            **settings,
            **moments,
        }
        return {
            "id": f"orgmem_{row['user']}_{row['organization']}",
            "object": "organization_membership",
            "role": row["role"],
            "permissions": row["permissions"],
            "public_metadata": {},
            "private_metadata": {"note": "nobody may see this"},
            "organization": organization,
            "public_user_data": {"user_id": row["user"], **person},
            **moments,
        }

    def _begin(self, body):
        if self.production:
            return self._error(400, "operation_not_allowed", "Sessions are made on development instances only")
        user, organization = body["user_id"], body.get("active_organization_id")
        if user not in self.users:
            return self._error(404, "resource_not_found", "No user was found")
        if organization and not any(row["user"] == user and row["organization"] == organization for row in self.memberships):
            return self._error(422, "not_a_member", "The user is not a member of the organization")
        at = NOW * 1000
        session = {"object": "session", "id": f"sess_{len(self.sessions) + 1}", "user_id": user, "client_id": "client_1"}
        times = {"last_active_at": at, "expire_at": at + 604_800_000, "abandon_at": at, "updated_at": at, "created_at": at}
        self.sessions[session["id"]] = session | times | {"status": "active", "last_active_organization_id": organization}
        return 200, self.sessions[session["id"]]

    def _session(self, session):
        found = self.sessions.get(session)
        return (200, found) if found else self._error(404, "resource_not_found", "Session not found")

    def _token(self, session, body):
        found = self.sessions.get(session)
        if not found or found["status"] != "active":
            return self._error(404, "resource_not_found", "Session not found")
        self.signed += 1
        return 200, {"object": "token", "jwt": self.sign(self.claims(found) | {"exp": NOW + body["expires_in_seconds"]})}

    @staticmethod
    def claims(session):
        claims = {"sub": session["user_id"], "sid": session["id"], "iat": NOW, "nbf": NOW - 10, "azp": "https://app.example.com"}
        return claims | {"exp": NOW + 60, "org_id": session["last_active_organization_id"]}

    def _revoke(self, session):
        if session not in self.sessions:
            return self._error(404, "resource_not_found", "Session not found")
        self.sessions[session]["status"] = "revoked"
        return 200, self.sessions[session]

    def _ticket(self, body):
        if body["user_id"] not in self.users:
            return self._error(404, "resource_not_found", "No user was found")
        number, at = len(self.tickets) + 1, NOW * 1000
        ticket = {"object": "sign_in_token", "id": f"sit_{number}", "status": "pending", "user_id": body["user_id"]}
        secret = f"ticket-{number}-nobody-may-see"
        url = f"https://accounts.example.com/sign-in?__clerk_ticket={secret}"
        self.tickets.append(body)
        return 200, ticket | {"token": secret, "url": url, "created_at": at, "updated_at": at}

    @staticmethod
    def _jwk(name, kid):
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(signing_key(name).public_key()))
        return {"kid": kid, "alg": "RS256", "use": "sig", "kty": "RSA", "n": public["n"], "e": public["e"]}

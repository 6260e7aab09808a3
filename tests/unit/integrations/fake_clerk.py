"""A Clerk instance on loopback: users, organisations, memberships, sessions that end, tokens that its own key signs."""

import itertools
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
    ("GET", r"/users"),
    ("POST", r"/users"),
    ("DELETE", r"/users/(\w+)"),
    ("GET", r"/organizations"),
    ("POST", r"/organizations"),
    ("GET", r"/organizations/([\w-]+)"),
    ("DELETE", r"/organizations/([\w-]+)"),
    ("POST", r"/organizations/([\w-]+)/memberships"),
)
ROLES = {"org:admin", "org:member"}
"""The roles of an instance in which nobody made any."""
MOST_SEATS = 20


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

    def __init__(self, *, production=False, secret_key=SECRET_KEY, roles=ROLES):
        self.production, self.secret_key, self.roles = production, secret_key, set(roles)
        self.people, self.organizations = {}, {}
        self.numbers, self.sign_ins = itertools.count(1), itertools.count(1)
        self.users, self.memberships, self.sessions, self.tickets = ["user_1", "user_2"], [], {}, []
        self.problems, self.signed = [], 0
        self.document = document()

    def join(self, user, organization, role="org:member", permissions=("org:reports:read",)):
        self.memberships.append({"user": user, "organization": organization, "role": role, "permissions": list(permissions)})

    def now(self):
        return NOW

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
        if asked.headers.get("authorization") != f"Bearer {self.secret_key}":
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
            KNOWN[10]: lambda: self._users(query),
            KNOWN[11]: lambda: self._make_user(asked.body),
            KNOWN[12]: self._remove_user,
            KNOWN[13]: lambda: self._organizations(query),
            KNOWN[14]: lambda: self._make_organization(asked.body),
            KNOWN[15]: self._organization,
            KNOWN[16]: self._remove_organization,
            KNOWN[17]: partial(self._make_member, body=asked.body),
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
        session = {"object": "session", "id": f"sess_{next(self.sign_ins)}", "user_id": user, "client_id": "client_1"}
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
        return 200, {"object": "token", "jwt": self.sign(self.claims(found) | {"exp": self.now() + body["expires_in_seconds"]})}

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

    def _users(self, query):
        wanted = query.get("email_address_query", "").lower()
        return 200, self._page(
            [row for row in self.people.values() if wanted in row["email_addresses"][0]["email_address"]], query
        )

    def _make_user(self, body):
        addresses, external = body.get("email_address") or [], body.get("external_id")
        taken = {each["email_address"] for row in self.people.values() for each in row["email_addresses"]}
        if len(addresses) != 1 or not re.fullmatch(r"[^@\s]{1,64}@[^@\s.]+\.[^@\s]+", addresses[0]):
            return self._error(422, "form_param_format_invalid", "Email address must be a valid email address.")
        if addresses[0].lower() in taken or (external and any(row["external_id"] == external for row in self.people.values())):
            return self._error(422, "form_identifier_exists", "That is taken. Please try another.")
        if not body.get("password") and not body.get("skip_password_requirement"):
            return self._error(422, "form_data_missing", "password is missing")
        user = f"user_{next(self.numbers):024d}"
        self.users.append(user)
        self.people[user] = self._person(user, external, addresses[0].lower())
        return 200, self.people[user]

    def _remove_user(self, user):
        if user not in self.users:
            return self._error(404, "resource_not_found", "not found")
        self.users.remove(user)
        self.people.pop(user, None)
        self.memberships = [row for row in self.memberships if row["user"] != user]
        self.sessions = {key: row for key, row in self.sessions.items() if row["user_id"] != user}
        return 200, {"object": "user", "id": user, "deleted": True}

    def _organizations(self, query):
        wanted = query.get("query", "").lower()
        rows = [row for row in self.organizations.values() if wanted in row["name"].lower() or wanted == row["id"]]
        return 200, {"data": self._page(rows, query), "total_count": len(rows)}

    def _make_organization(self, body):
        if not 1 <= len(body["name"]) <= 256 or re.search(r"[<>]|://", body["name"]):
            return self._error(422, "form_param_format_invalid", "Name may not contain URLs or HTML.")
        if not 1 <= body.get("max_allowed_memberships", 5) <= MOST_SEATS:
            return self._error(402, "unsupported_subscription_plan_features", "The plan does not include so many members")
        organization = f"org_{next(self.numbers):024d}"
        self.organizations[organization] = {
            "object": "organization", "id": organization, "name": body["name"], "slug": organization.replace("_", "-"),
            "has_image": False, "max_allowed_memberships": body.get("max_allowed_memberships", 5), "admin_delete_enabled": True,
            "public_metadata": {}, "private_metadata": {}, "created_at": NOW * 1000, "updated_at": NOW * 1000,
        }  # fmt: skip
        return 200, self.organizations[organization]

    def _organization(self, organization):
        # A slug is as good as an id there.
        rows = [row for row in self.organizations.values() if organization in (row["id"], row["slug"])]
        return (200, rows[0]) if rows else self._error(404, "resource_not_found", "not found")

    def _remove_organization(self, organization):
        if organization not in self.organizations:
            return self._error(404, "resource_not_found", "not found")
        del self.organizations[organization]
        self.memberships = [row for row in self.memberships if row["organization"] != organization]
        return 200, {"object": "organization", "id": organization, "deleted": True}

    def _make_member(self, organization, body):
        found, rows = (
            self.organizations.get(organization),
            [row for row in self.memberships if row["organization"] == organization],
        )
        if found is None or body["user_id"] not in self.users:
            return self._error(404, "resource_not_found", "not found")
        if body["role"] not in self.roles:
            return self._error(404, "resource_not_found", f"Organization role not found: {body['role']}")
        if any(row["user"] == body["user_id"] for row in rows):
            return self._error(400, "already_a_member_in_organization", "The user is already a member of the organization")
        if len(rows) >= found["max_allowed_memberships"]:
            return self._error(403, "organization_membership_quota_exceeded", "The organization has no seat left")
        self.join(body["user_id"], organization, body["role"])
        return 200, self._membership(self.memberships[-1])

    @staticmethod
    def _page(rows, query):
        start, most = int(query.get("offset", 0)), int(query.get("limit", 10))
        return list(rows)[start : start + most]

    @staticmethod
    def _person(user, external, address):
        email = {
            "id": f"idn_{user}", "object": "email_address", "email_address": address, "reserved": False, "linked_to": [],
            "verification": {
                "object": "verification_admin", "status": "verified", "strategy": "admin", "attempts": None, "expire_at": None,
            }, "created_at": NOW * 1000, "updated_at": NOW * 1000,
        }  # fmt: skip
        nothing = dict.fromkeys((
            "username", "first_name", "last_name", "primary_phone_number_id", "primary_web3_wallet_id", "last_sign_in_at",
            "lockout_expires_in_seconds", "verification_attempts_remaining", "last_active_at", "mfa_enabled_at",
            "mfa_disabled_at", "legal_accepted_at",
        ))  # fmt: skip
        lists = {name: [] for name in (
            "phone_numbers", "web3_wallets", "passkeys", "external_accounts", "saml_accounts", "enterprise_accounts",
        )}  # fmt: skip
        flags = dict.fromkeys(
            ("has_image", "password_enabled", "two_factor_enabled", "totp_enabled", "backup_code_enabled", "banned", "locked"),
            False,
        )
        return {
            "id": user, "object": "user", "external_id": external, "email_addresses": [email], **nothing, **lists, **flags,
            "primary_email_address_id": email["id"], "public_metadata": {}, "private_metadata": {"note": "nobody may see this"},
            "delete_self_enabled": True, "create_organization_enabled": True, "created_at": NOW * 1000, "updated_at": NOW * 1000,
        }  # fmt: skip

    @staticmethod
    def _jwk(name, kid):
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(signing_key(name).public_key()))
        return {"kid": kid, "alg": "RS256", "use": "sig", "kty": "RSA", "n": public["n"], "e": public["e"]}

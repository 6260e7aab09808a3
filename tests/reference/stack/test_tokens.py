"""The token maker: every variant is what it says, and the identity command's protocol is kept."""

import json
import uuid
from datetime import UTC, datetime

import pytest

from capliquify_ops.http_client import Client
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.protocols import TokenRequest, TokenVariant
from capliquify_ops.reference import token_command, tokens


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0


def request_of(run: str, variant: TokenVariant = TokenVariant.VALID, *, ensure: bool = False) -> TokenRequest:
    return TokenRequest(f"user_{run}", f"{run}@example.test", f"org_{run}", "owner", variant, ensure)


def made(running, *requests: TokenRequest) -> list[str | None]:
    return tokens.make_tokens(running.run_folder, requests, SystemClock())


def asked(running, token: str, organization: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "X-Organization-ID": organization}
    with Client(running.base_url) as client:
        answer = client.request("GET", "/api/users/profile", headers=headers)
    return answer.status, answer.json().get("error", "")


@pytest.fixture(scope="module")
def tenant(running) -> str:
    """A tenant whose owner is ensured, made by a platform administrator; returns the id that its names contain."""
    run = uuid.uuid4().hex[:12]
    admin = made(running, request_of(run, TokenVariant.PLATFORM_ADMIN))[0]
    body = {
        "slug": f"t{run}",
        "name": "Tenant",
        "clerk_organization_id": f"org_{run}",
        "owner_clerk_user_id": f"user_{run}",
        "owner_email": f"{run}@example.test",
        "owner_name": "Owner",
        "subscription_tier": "starter",
    }
    with Client(running.base_url) as client:
        answer = client.request("POST", "/api/admin/tenants", json=body, headers={"Authorization": f"Bearer {admin}"})
    assert answer.status == 201, answer.body
    return run


def test_valid_token_is_let_in(running, tenant):
    """A valid token of a member passes; two of them are two sessions."""
    one, two = made(running, request_of(tenant), request_of(tenant))
    assert one != two
    assert asked(running, one, f"org_{tenant}") == (200, "")


@pytest.mark.parametrize(
    "variant", [TokenVariant.EXPIRED, TokenVariant.TAMPERED, TokenVariant.FOREIGN_ENVIRONMENT, TokenVariant.SIGNED_OUT]
)
def test_broken_token_is_refused(running, tenant, variant):
    """Each broken variant of a member's token is refused as no session, for the member whose valid one passes."""
    broken, valid = made(running, request_of(tenant, variant), request_of(tenant))
    assert asked(running, broken, f"org_{tenant}") == (401, "session_verification_failed")
    assert asked(running, valid, f"org_{tenant}") == (200, "")


def test_tampered_token_asks_for_what_was_wanted(running, tenant):
    """Read without its signature, a tampered token says exactly what a valid one would."""
    import jwt

    said = [
        jwt.decode(token, options={"verify_signature": False})
        for token in made(running, request_of(tenant), request_of(tenant, TokenVariant.TAMPERED))
    ]
    assert said[0].keys() == said[1].keys()
    assert [said[0][name] for name in ("sub", "org_id", "iss", "azp")] == [
        said[1][name] for name in ("sub", "org_id", "iss", "azp")
    ]


def test_platform_administrator_belongs_to_no_organisation(running, tenant):
    """A platform administrator's token is refused on a tenant's route."""
    assert asked(running, made(running, request_of(tenant, TokenVariant.PLATFORM_ADMIN))[0], f"org_{tenant}")[0] == 403


def test_ensured_member_is_known_until_forgotten(running):
    """`ensure` makes a membership that the identity process knows, `forget` removes it with user and organisation."""
    run = uuid.uuid4().hex[:12]
    path = f"/organizations/org_{run}/memberships/user_{run}"
    with Client(running.identity_url) as client:
        assert client.request("GET", path).status == 404
        made(running, request_of(run, ensure=True))
        assert client.request("GET", path).json()["role"] == "owner"
        other = request_of(uuid.uuid4().hex[:12], ensure=True)
        made(running, other)
        assert tokens.forget(running.run_folder, run) == 2
        assert client.request("GET", path).status == 404
        assert client.request("GET", f"/organizations/{other.organization_id}/memberships/{other.user_id}").status == 200


def test_document_is_answered_in_order(running, tenant):
    """The command answers a batch in order, with null for a variant that it does not know."""
    row = {"user_id": f"user_{tenant}", "email": "", "organization_id": f"org_{tenant}", "role": "owner"}
    rows = [row, row | {"variant": "of_the_future"}, row | {"variant": "expired", "ensure": False}]
    answer = json.loads(token_command.answer(json.dumps({"requests": rows}).encode(), running.run_folder, SystemClock()))
    first, second, third = answer["tokens"]
    assert second is None
    assert asked(running, first, f"org_{tenant}")[0] == 200
    assert asked(running, third, f"org_{tenant}")[0] == 401


def test_forget_is_answered(running):
    """Forgetting a run of which nothing is known is no error."""
    assert token_command.answer(b'{"forget": "unheard-of"}', running.run_folder, SystemClock()) == b'{"forgotten": 0}\n'


ROW = {"user_id": "u", "email": "e", "organization_id": "o", "role": "owner"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"requests": {}}',
        b'{"requests": [], "forget": "x"}',
        b'{"requests": [1]}',
        b'{"forget": ""}',
        b'{"forget": 1}',
        json.dumps({"requests": [ROW | {"user_id": ""}]}).encode(),
        json.dumps({"requests": [ROW | {"user_id": "\ud800"}]}).encode(),
        json.dumps({"requests": [ROW | {"user_id": "x" * 256}]}).encode(),
        json.dumps({"requests": [ROW | {"ensure": 1}]}).encode(),
        json.dumps({"requests": [ROW | {"lasting_s": "60"}]}).encode(),
        json.dumps({"requests": [ROW | {"variant": None}]}).encode(),
        json.dumps({"requests": [ROW | {"more": "x"}]}).encode(),
        json.dumps({"requests": [{"user_id": "u"}]}).encode(),
    ],
)
def test_malformed_document_is_a_mistake_of_the_caller(running, document):
    """A document of another shape is refused with what was expected; nothing is made."""
    with pytest.raises(UsageError) as caught:
        token_command.answer(document, running.run_folder, SystemClock())
    assert caught.value.hint


def test_folder_of_no_stack_is_a_mistake_of_the_caller(tmp_path):
    """A folder that is not a running stack's is named."""
    with pytest.raises(UsageError, match="is not the folder of a running embedded stack"):
        tokens.make_tokens(tmp_path, [request_of("x")], SystemClock())

"""Tokens against a key set, without a server."""

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from capliquify_ops.reference.service.tokens import KeySet, Session, TokenInvalid, TokenVerifier

from .conftest import claims_of

ISSUER, PARTY = "https://identity.test", "https://app.test"
KEY = generate_private_key(65537, 2048)


@dataclass
class Clock:
    now_s: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now_s


def write_keys(path: Path, keys: dict[str, RSAPrivateKey]) -> Path:
    entries = [json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": name} for name, key in keys.items()]
    path.write_text(json.dumps({"keys": entries}))
    return path


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_keys(tmp_path_factory.mktemp("keys") / "keys.json", {"k1": KEY})


@pytest.fixture
def verifier(keys_file: Path) -> TokenVerifier:
    return TokenVerifier(KeySet(keys_file), ISSUER, PARTY, time.time)


def sign(key: object = KEY, algorithm: str = "RS256", kid: str | None = "k1", **claims: object) -> str:
    return jwt.encode(claims_of(ISSUER, PARTY, "u", "o", **claims), key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def test_a_good_token_gives_its_session(verifier: TokenVerifier) -> None:
    """User, session and organisation come out of the claims, the second time out of the cache."""
    token = sign(sid="s1")
    session = verifier.verify(token)
    assert (session.user, session.session, session.organization, session.is_platform_admin) == ("u", "s1", "o", False)
    assert verifier.verify(token) is session


PAST, FUTURE = 1_700_000_000, 4_000_000_000


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.test"},
        {"azp": "https://elsewhere.test"},
        {"exp": PAST},
        {"nbf": FUTURE},
        {"iat": FUTURE},
        {"sid": None},
        {"sid": ""},
        {"sid": 7},
        {"sub": None},
        {"sub": "a\0b"},
        {"azp": None},
        {"iss": None},
        {"exp": None},
        {"nbf": None},
        {"iat": None},
        {"org_id": 7},
        {"org_id": ""},
        {"exp": "never"},
        {"aud": "somebody else"},
    ],
    ids=str,
)
def test_wrong_or_missing_claims_prove_nothing(verifier: TokenVerifier, claims: dict) -> None:
    """Every claim that the contract names is required and checked."""
    with pytest.raises(TokenInvalid):
        verifier.verify(sign(**claims))


def test_only_rs256_with_a_known_key_counts(verifier: TokenVerifier) -> None:
    """Unknown key ids, foreign keys, no algorithm, another algorithm and the public key as a secret are all refused."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').rstrip(b"=").decode()
    body = sign().split(".")[1]
    confused = jwt.api_jws.PyJWS().get_algorithm_by_name("HS256").sign(f"{head}.{body}".encode(), public)
    tokens = [
        sign(generate_private_key(65537, 2048)),
        sign(kid="k2"),
        sign(kid=None),
        sign(algorithm="RS512"),
        sign(None, algorithm="none"),
        f"{head}.{body}.{base64.urlsafe_b64encode(confused).rstrip(b'=').decode()}",
    ]
    for token in tokens:
        with pytest.raises(TokenInvalid):
            verifier.verify(token)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text() | st.tuples(st.text(), st.text(), st.text()).map(".".join))
def test_no_text_makes_the_verifier_fail(verifier: TokenVerifier, text: str) -> None:
    """Whatever text is sent, the answer is TokenInvalid and nothing else."""
    with pytest.raises(TokenInvalid):
        verifier.verify(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_one_changed_character_is_noticed(verifier: TokenVerifier, data: st.DataObject) -> None:
    """A token that differs anywhere in header or payload from a good one, cached already, is refused."""
    token = sign()
    verifier.verify(token)
    place = data.draw(st.integers(0, token.rindex(".") - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda character: character != token[place]))
    with pytest.raises(TokenInvalid):
        verifier.verify(token[:place] + other + token[place + 1 :])


def is_good(verifier: TokenVerifier, token: str) -> bool:
    try:
        return bool(verifier.verify(token))
    except TokenInvalid:
        return False


def test_a_cached_token_ends_with_its_expiry(keys_file: Path) -> None:
    """The cache never lets a token live longer than its exp plus the leeway."""
    clock = Clock()
    verifier = TokenVerifier(KeySet(keys_file), ISSUER, PARTY, clock)
    token = sign(exp=int(time.time()) + 1)
    verifier.verify(token)
    clock.now_s += 2
    deadline = time.monotonic() + 10
    while is_good(verifier, token):
        assert time.monotonic() < deadline


def test_a_new_key_is_found_without_a_restart(tmp_path: Path) -> None:
    """When the key file changes, a token of the new key is accepted and one of a removed key is refused."""
    first, second = KEY, generate_private_key(65537, 2048)
    path = write_keys(tmp_path / "keys.json", {"k1": first})
    verifier = TokenVerifier(KeySet(path), ISSUER, PARTY, time.time)
    write_keys(path, {"k2": second})
    assert verifier.verify(sign(second, kid="k2")).user == "u"
    with pytest.raises(TokenInvalid):
        verifier.verify(sign())


@pytest.mark.parametrize(
    ("organization", "claim", "expected"),
    [(None, True, True), ("o", True, False), (None, "true", False), (None, 1, False), (None, None, False)],
)
def test_a_platform_administrator_has_the_claim_and_no_organization(
    verifier: TokenVerifier, organization: str | None, claim: object, expected: bool
) -> None:
    """Only the boolean claim without an organisation makes one."""
    session: Session = verifier.verify(sign(org_id=organization, platform_admin=claim))
    assert session.is_platform_admin is expected

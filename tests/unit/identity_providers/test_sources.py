"""Where session tokens come from: a program, a table, a signing key. Each failure is one sentence without a token in it."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from capliquify_ops.configuration import Identity
from capliquify_ops.identity_providers import token_source
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.model.protocols import TokenRequest, TokenVariant

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


def request(variant=TokenVariant.VALID, user="user_1"):
    return TokenRequest(user, "u@example.com", "org_1", "owner", variant, ensure=True)


@pytest.fixture
def command(tmp_path):
    """A provider whose program is a line of Python; it keeps what it was sent."""

    def make(program):
        script = tmp_path / "maker.py"
        script.write_text(
            f"import json, sys\nasked = sys.stdin.read()\nopen({str(tmp_path / 'asked')!r}, 'w').write(asked)\n{program}\n"
        )
        return token_source(Identity("command", {"command": [sys.executable, str(script)]}), Clock())

    return make


def test_the_program_gets_one_batch_and_answers_in_order(command, tmp_path):
    """One run for a batch: the protocol's document goes in, tokens come out in order, null where a variant cannot be made."""
    source = command("print(json.dumps({'tokens': ['one', None]}))")
    assert source.tokens([request(), request(TokenVariant.EXPIRED)]) == ["one", None]
    asked = json.loads((tmp_path / "asked").read_text())
    assert asked["requests"][1] == {
        "user_id": "user_1",
        "email": "u@example.com",
        "organization_id": "org_1",
        "role": "owner",
        "variant": "expired",
        "ensure": True,
    }
    source.tokens([replace(request(), lasting_s=732), request()])
    assert json.loads((tmp_path / "asked").read_text())["requests"][0]["lasting_s"] == 732
    source.forget("r1")
    assert json.loads((tmp_path / "asked").read_text()) == {"forget": "r1"}


def test_no_requests_start_no_program(command, tmp_path):
    """An empty batch does not run the program."""
    assert command("sys.exit(1)").tokens([]) == []
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("sys.exit(3)", "ended with 3"),
        ("print('hello')", "did not print JSON"),
        ("print('[]')", "did not print 1 tokens"),
        ("print(json.dumps({'tokens': []}))", "did not print 1 tokens"),
        ("print(json.dumps({'tokens': [7]}))", "neither a token nor null"),
        ("sys.stderr.write('s3cret'); sys.exit(1)", "ended with 1"),
    ],
)
def test_a_program_that_misbehaves_is_named(command, program, says):
    """A program that fails or prints something else is IntegrationFailed; what it wrote on stderr is not repeated."""
    with pytest.raises(IntegrationFailed, match=says) as caught:
        command(program).tokens([request()])
    assert "s3cret" not in str(caught.value)


def test_a_program_that_does_not_exist():
    """A command that is not there says so."""
    with pytest.raises(IntegrationFailed, match="does not exist"):
        token_source(Identity("command", {"command": ["/no/such/program"]}), Clock()).tokens([request()])


def test_written_down_tokens():
    """A static table gives valid tokens of its users and nothing else."""
    source = token_source(Identity("static", {"tokens": {"user_1": "t"}}), Clock())
    assert source.tokens([request(), request(TokenVariant.EXPIRED), request(user="other")]) == ["t", None, None]
    source.forget("r1")


@pytest.fixture(scope="module")
def key():
    return generate_private_key(65537, 2048)


@pytest.fixture
def signing(key, tmp_path):
    """A provider that signs with a key of its own."""
    path = tmp_path / "key.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*form))
    options = {
        "key_file": str(path),
        "key_id": "k1",
        "issuer": "https://id",
        "authorized_party": "https://app",
        "claims": {"x": 1},
    }
    return token_source(Identity("jwt", options), Clock())


def test_signed_tokens(signing, key):
    """A signed token says who, where and for how long, with the configured claims and key id; no two sessions are alike."""
    [token, other] = signing.tokens([request(), request(user="user_2")])
    claims = jwt.decode(
        token, key.public_key(), algorithms=["RS256"], options={"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    )
    assert (claims["sub"], claims["org_id"], claims["iss"], claims["azp"], claims["x"]) == (
        "user_1",
        "org_1",
        "https://id",
        "https://app",
        1,
    )
    assert claims["nbf"] <= NOW.timestamp() < claims["exp"] <= (NOW + timedelta(hours=1)).timestamp()
    [lasting] = signing.tokens([replace(request(), lasting_s=7200)])
    assert jwt.decode(lasting, options={"verify_signature": False})["exp"] >= NOW.timestamp() + 7199
    assert jwt.get_unverified_header(token)["kid"] == "k1"
    assert claims["sid"] != jwt.decode(other, options={"verify_signature": False})["sid"]


def test_broken_variants_are_broken(signing, key):
    """An expired token ended before now, a tampered one has a signature of something else; what one key cannot make is None."""
    expired, tampered, foreign, out, admin = signing.tokens(
        [request(variant) for variant in list(TokenVariant) if variant is not TokenVariant.VALID]
    )
    assert jwt.decode(expired, options={"verify_signature": False})["exp"] < NOW.timestamp()
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(tampered, key.public_key(), algorithms=["RS256"])
    assert (foreign, out, admin) == (None, None, None)


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        (Identity(), r"no \[identity\]"),
        (Identity("clerk"), r"secret_key_env is not set"),
        (Identity("other"), "is unknown"),
        (Identity("command", {"command": "one text"}), "list of texts"),
        (Identity("command", {"command": []}), "empty"),
        (Identity("static", {"tokens": ["t"]}), "table"),
        (Identity("jwt", {"key_file": "/no/such/key"}), "cannot be read"),
    ],
)
def test_a_wrong_identity_table_is_named(identity, says):
    """A provider that is missing, unknown or wrongly configured is ConfigurationInvalid."""
    with pytest.raises(ConfigurationInvalid, match=says):
        token_source(identity, Clock())


def test_a_key_that_is_none(tmp_path):
    """A key file that holds something else says so, without its content."""
    (tmp_path / "key").write_text("not a key: s3cret")
    source = token_source(Identity("jwt", {"key_file": str(tmp_path / "key")}), Clock())
    with pytest.raises(ConfigurationInvalid, match="RS256") as caught:
        source.tokens([request()])
    assert "s3cret" not in str(caught.value)

"""From environment and TOML to settings: every mistake is one sentence that names file and key."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.target import TargetClass
from capliquify_ops.model.errors import ConfigurationInvalid, OpsError, TargetForbids, UsageError
from capliquify_ops.model.secret import MASK, Secret

WHOLE = """
default_target = "staging"
evidence_dir = "proof"
[limits]
p95_ms = 150
[targets.staging]
class = "staging"
database_url_env = "OBSERVER"
operator_url_file = "operator.url"
app_role = "shop_app"
base_url = "https://staging.example.com/"
pooled = true
[targets.staging.roles]
owner = "shop_owner"
[targets.staging.identity]
provider = "static"
tokens = { user_1 = "t" }
[targets.local]
class = "loopback"
database_url = "postgresql://127.0.0.1/x"
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "capliquify-ops.toml"
        path.write_text(text)
        (tmp_path / "operator.url").write_text("postgresql://operator@db/x\n")
        return path

    return write


def _load(path, **environment):
    return load_settings(path, environment={"OBSERVER": "postgresql://observer:geheimnis@db/x", **environment})


def test_a_whole_file(file):
    """Everything that a file can say arrives, secrets from environment and file included."""
    settings = _load(file(WHOLE))
    target = settings.target(None, observing=False)
    assert (target.name, target.kind, target.pooled) == ("staging", TargetClass.STAGING, True)
    assert target.observer_url() == Secret("postgresql://observer:geheimnis@db/x")
    assert target.changing_url() == Secret("postgresql://operator@db/x")
    assert target.base_url == "https://staging.example.com"
    assert (target.roles.owner, target.roles.app) == ("shop_owner", "shop_app")
    assert target.identity.provider == "static"
    assert settings.evidence_dir == Path("proof")
    assert settings.limits.number("p95_ms") == 150
    assert str(file(WHOLE)) in settings.limits["p95_ms"].source


def _identity(provider, options):
    return f"[targets.x.identity]\nprovider = '{provider}'\n{options}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("targets = [", r"not valid TOML: .*line 1"),
        ('[targets.x]\nclass = "staging"\n=', r"line 3"),
        ("[target.x]", r"unknown key 'target'.*Did you mean 'targets'"),
        ('[targets.x]\ndatabse_url = "a"', r"targets.x: unknown key 'databse_url'.*'database_url'"),
        ('[targets.x]\nclass = "stagging"', r"class 'stagging' is unknown.*'staging'"),
        ("[targets.x.identity]\nprovider = 'jwd'", r"provider 'jwd' is unknown.*'jwt'"),
        ("[targets.x.roles]\nowmer = 'x'", r"unknown key 'owmer'.*'owner'"),
        ("[targets.x]\nprofile = 'nope'", r"profile 'nope'"),
        ("[targets.x]\nbase_url = 'ftp://x'", r"base_url is not an http"),
        ("[targets.x]\nbase_url = 'http://[bad'", r"base_url is not an http"),
        ("[targets.x]\nbase_url = 'https://u:p@x'", r"carries a user"),
        ("[targets.x]\ndatabase_url = 'a'\ndatabase_url_env = 'OBSERVER'", r"twice"),
        ("[targets.x]\npooled = 'yes'", r"pooled must be true or false"),
        ("[targets]\nx = 1", r"targets.x must be a table"),
        ("targets = 1", r"targets must be a table"),
        ("[targets.embedded]", r"reserved"),
        ("[limits]\np95 = 1", r"unknown limit 'p95'.*'p95_ms'"),
        ("[limits]\np95_ms = 'fast'", r"limits.p95_ms must be a finite number"),
        ("[limits]\np95_ms = true", r"limits.p95_ms must be a"),
        ("[limits]\np95_ms = inf", r"limits.p95_ms must be a finite"),
        ("[limits]\np95_ms = 99999", r"p95_ms = 99999 is looser than < 200.*tightened"),
        ("[limits]\nlatency_load_rate = 5", r"latency_load_rate = 5 is looser"),
        ("[limits]\nload_required_seconds = 1", r"load_required_seconds = 1 is looser"),
        ("[limits]\nerror_rate = 1", r"error_rate = 1 is looser"),
        ("[targets.x]\ndatabase_url_env = 'postgresql://u:hunter2@h/d'", r"must be the name of a variable"),
        ("[targets.x]\ndatabase_url_file = 'postgresql://u:hunter2@h/d'", r"a URL or a secret itself, not the name"),
        ("[targets.x]\ndatabase_url_file = 'host=h password=hunter2'", r"a URL or a secret itself, not the name"),
        (_identity("jwt", "key_file = '-----BEGIN PRIVATE KEY-----\\nhunter2'").replace("'", '"'), r"key_file: .*not the name"),
        ("default_target = 5", r"default_target must be text"),
        ("evidence_dir = 5", r"evidence_dir must be text"),
        ("default_target = 'stagin'\n[targets.staging]", r"unknown default_target 'stagin'.*'staging'"),
        (_identity("jwt", "kay_file = 'x'"), r"unknown key 'kay_file'.*'key_file'"),
        (_identity("jwt", "key_file = 5"), r"key_file must be a text"),
        (_identity("jwt", "key_file = 'k'\nclaims = 5"), r"claims must be a table"),
        (_identity("jwt", ""), r"'jwt' needs key_file, a text"),
        (_identity("command", "command = 'program'"), r"command must be a list of texts"),
        (_identity("command", "command = ['a', 1]"), r"command must be a list of texts"),
        (_identity("command", ""), r"'command' needs command, a list"),
        (_identity("static", "tokens = { a = 1 }"), r"tokens must be a table of user id"),
        (_identity("static", "token = { a = 'hunter2' }"), r"unknown key 'token'.*'tokens'"),
        (_identity("clerk", ""), r"'clerk' needs secret_key_env, the name of a variable"),
        (_identity("clerk", "foreign_secret_key_env = 'K'"), r"'clerk' needs secret_key_env"),
        (_identity("clerk", "secret_key_enw = 'K'\nsecret_key_env = 'K'"), r"unknown key 'secret_key_enw'.*'secret_key_env'"),
        (_identity("clerk", "secret_key_env = 'sk-test_hunter2'"), r"secret_key_env must be the name of a variable"),
        (_identity("clerk", "secret_key_env = 'K'\nplatform_admin = 5"), r"platform_admin must be a text"),
        (_identity("clerk", "secret_key_env = 'K'\nroles = 5"), r"roles must be a table of role"),
        (_identity("clerk", "secret_key_env = 'K'\nroles = { ownr = 'org:admin' }"), r"roles .* owner, admin, member, viewer"),
        (_identity("clerk", "secret_key_env = 'K'\nroles = { owner = '' }"), r"roles must be a table of role"),
    ],
)
def test_a_mistake_is_named(file, text, says):
    """Each mistake in the file is ConfigurationInvalid and names the place and, where there is one, the nearest name."""
    with pytest.raises(ConfigurationInvalid, match=r"(?s)" + says) as caught:
        _load(file(text))
    assert caught.value.exit_code == 78
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    """--config with a file that is not there, or a folder, says so."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigurationInvalid, match="cannot be read"):
            load_settings(path, environment={})


@pytest.mark.parametrize(
    ("text", "environment", "name", "observing", "expected"),
    [
        ("", {}, None, True, "embedded"),
        ("", {"DATABASE_URL": "postgresql://x/y"}, None, True, "env"),
        ("", {"DATABASE_URL": "postgresql://x/y"}, None, False, "embedded"),
        ("", {"DATABASE_URL": "postgresql://x/y"}, "env", False, "env"),
        ("[targets.a]", {"DATABASE_URL": "postgresql://x/y"}, None, True, "a"),
        ("[targets.a]\n[targets.b]", {"CAPLIQUIFY_TARGET": "b"}, None, True, "b"),
        ("[targets.a]\n[targets.b]", {"CAPLIQUIFY_TARGET": "b"}, "a", True, "a"),
        ("[targets.a]", {}, "embedded", False, "embedded"),
    ],
)
def test_which_target(file, text, environment, name, observing, expected):
    """The option wins over the variable, a configured target over DATABASE_URL, and DATABASE_URL alone is never changed."""
    assert _load(file(text), **environment).target(name, observing=observing).name == expected


def test_env_is_production(file):
    """A target made of DATABASE_URL is of class production, so nothing attacks it."""
    target = _load(file(""), DATABASE_URL="postgresql://x/y").target("env", observing=True)
    with pytest.raises(TargetForbids):
        target.require_harmless("An audit")


@pytest.mark.parametrize(("name", "says"), [("stagin", "Did you mean 'staging'"), ("env", "DATABASE_URL")])
def test_an_unknown_target(file, name, says):
    """An unknown target is a usage error that names the nearest one."""
    with pytest.raises(UsageError, match=says) as caught:
        _load(file(WHOLE)).target(name, observing=True)
    assert caught.value.exit_code == 64


def test_several_targets_need_a_choice(file):
    """With two targets and no choice the error lists both."""
    with pytest.raises(UsageError, match=r"a, b"):
        _load(file("[targets.a]\n[targets.b]")).target(None, observing=True)


def test_missing_urls_say_which_setting(file):
    """A target without URLs says which setting is missing."""
    target = _load(file("[targets.a]")).target(None, observing=True)
    with pytest.raises(ConfigurationInvalid, match=r"targets.a.database_url_env"):
        target.observer_url()
    with pytest.raises(ConfigurationInvalid, match=r"targets.a.operator_url_env"):
        target.changing_url()


@given(st.text(min_size=1))
def test_a_secret_shows_nothing(text):
    """No representation of a secret holds its text."""
    secret = Secret(text)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r}"):
        assert shown in {MASK, f"Secret({MASK})"}
    assert secret.reveal() == text
    assert secret == Secret(text)
    with pytest.raises(TypeError):
        __import__("pickle").dumps(secret)


@given(st.text(max_size=200))
def test_any_text_as_a_file_is_settings_or_one_error(tmp_path_factory, text):
    """Arbitrary text as a configuration is read or refused with our error, never with another exception."""
    path = tmp_path_factory.mktemp("settings") / "x.toml"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        load_settings(path, environment={})
    except OpsError as error:
        assert str(path) in str(error)


def test_a_missing_secret_stops_its_own_target_alone(file):
    """A variable or file that is not here stops the target that names it; another one can be chosen all the same."""
    settings = _load(
        file(
            "[targets.a]\ndatabase_url = 'postgresql://x/y'\n"
            "[targets.b]\ndatabase_url_env = 'NOT_SET'\n[targets.c]\noperator_url_file = 'none.url'"
        )
    )
    assert settings.target("a", observing=True).name == "a"
    for name, says in (("b", "'NOT_SET', which is not set"), ("c", "none.url cannot be read")):
        with pytest.raises(ConfigurationInvalid, match=says):
            settings.target(name, observing=True)


def test_the_key_stands_beside_the_configuration(file):
    """A relative key_file is relative to the configuration file, as every other file in it is."""
    path = file(_identity("jwt", "key_file = 'key.pem'"))
    key_file = _load(path).target("x", observing=True).identity.options["key_file"]
    assert key_file == str(path.parent / "key.pem")


def test_the_keys_of_clerk_are_secrets_of_the_environment(file):
    """Both keys are read from variables and shown nowhere; one that is not set stops only who needs tokens."""
    text = _identity("clerk", "secret_key_env = 'KEY'\nforeign_secret_key_env = 'FOREIGN'\nroles = { viewer = 'org:viewer' }")
    target = _load(file(text), KEY="hunter2", FOREIGN="hunter3").target("x", observing=True)
    options = target.identity.options
    assert (options["secret_key"], options["foreign_secret_key"]) == (Secret("hunter2"), Secret("hunter3"))
    assert options["roles"] == {"viewer": "org:viewer"}
    assert "hunter" not in repr(target)
    absent = _load(file(text), KEY="hunter2").target("x", observing=True).identity.options
    assert "'FOREIGN', which is not set" in str(absent["missing"])
    assert "missing" not in options


@pytest.mark.parametrize(
    ("name", "says"), [("embedded", "capliquify-ops.toml"), ("env", "capliquify-ops.toml"), ("a", r"targets\.a\.")]
)
def test_advice_can_be_followed(file, name, says):
    """What to set is never a table of a reserved name, which the configuration refuses."""
    target = _load(file("[targets.a]"), DATABASE_URL="postgresql://x/y").target(name, observing=True)
    with pytest.raises(ConfigurationInvalid, match=says) as caught:
        target.changing_url()
    assert "targets.embedded" not in str(caught.value)
    assert "targets.env" not in str(caught.value)

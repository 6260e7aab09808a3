"""The tables of outside services: complete, known, and their secrets never shown."""

import pytest

from capliquify_ops.configuration import load_settings
from capliquify_ops.model.errors import ConfigurationInvalid, TargetForbids
from capliquify_ops.preflight.addresses import require_loopback


@pytest.fixture
def settings(tmp_path):
    def load(text, environment=None):
        file = tmp_path / "capliquify-ops.toml"
        file.write_text(f'[targets.t]\nclass = "loopback"\ndatabase_url = "postgresql://u@127.0.0.1/x"\n{text}')
        return load_settings(file, environment=environment or {})

    return load


def test_a_service_has_its_options_and_its_secret(settings):
    """What is written is what is there; the secret comes from the variable and is masked wherever it is printed."""
    text = '[targets.t.integrations.render]\ntoken_env = "KEY"\nservice = "srv-1"\nbase_url = "http://127.0.0.1:9/v1/"\n'
    found = settings(text, {"KEY": "rnd_very_secret"}).targets["t"].integrations["render"]
    assert (found.options["service"], found.options["base_url"]) == ("srv-1", "http://127.0.0.1:9/v1")
    assert found.secrets["token"].reveal() == "rnd_very_secret"
    assert "very_secret" not in repr(found)


def test_a_secret_that_is_not_here_stops_only_that_service(settings):
    """The target itself can be chosen: whoever asks Render is told which variable is missing."""
    text = '[targets.t.integrations.render]\ntoken_env = "KEY"\nservice = "srv-1"\n'
    target = settings(text).target("t", observing=True)
    assert target.integrations["render"].missing == (
        f"{target.integrations['render'].missing.split(': ')[0]}: targets.t.integrations.render.token_env"
        " names the variable 'KEY', which is not set."
    )
    assert target.integrations["render"].secrets == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("integrations = 1", "integrations must be a table"),
        ("[targets.t.integrations]\nrendre = {}", "did you mean 'render'"),
        ("[targets.t.integrations]\nrender = 3", "integrations.render must be a table"),
        ('[targets.t.integrations.render]\ntoken_env = "K"', "integrations.render lacks service"),
        ('[targets.t.integrations.render]\nservice = "s"', "Add token_env"),
        ('[targets.t.integrations.render]\ntoken_env = "K"\nservices = "s"', "did you mean 'service'"),
        ('[targets.t.integrations.render]\ntoken_env = "K"\nservice = 7', "render.service must be text"),
        ('[targets.t.integrations.render]\ntoken_env = "K"\ntoken = "k"\nservice = "s"', "gives token twice"),
        ('[targets.t.integrations.render]\ntoken = 5\nservice = "s"', "token must be text"),
        ('[targets.t.integrations.slack]\nbase_url = "slack.com"', "base_url is not an http"),
        ('[targets.t.integrations.prometheus]\nbase_url = "http://x"', "key 'base_url'"),
    ],
)
def test_a_mistake_is_named_with_its_place(settings, text, said):
    """Each mistake is a sentence with the place, never a traceback."""
    with pytest.raises(ConfigurationInvalid) as caught:
        settings(text + "\n")
    assert said.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ('[targets.t.integrations.render]\ntoken = "k"\nservice = "s"\n', "integrations.render"),
        ('[targets.t.integrations.slack]\nbase_url = "http://203.0.113.1"\n', "integrations.slack"),
        ('[targets.t.integrations.pgbouncer]\nurl = "postgresql://u@203.0.113.1/pgbouncer"\n', "integrations.pgbouncer"),
    ],
)
def test_a_loopback_target_restarts_nobody_elsewhere(settings, text, setting):
    """A target of class loopback whose Render is the real one is refused: its remedies would act on a real service."""
    with pytest.raises(TargetForbids, match=setting):
        require_loopback(settings(text).targets["t"])
    require_loopback(settings('[targets.t.integrations.slack]\nbase_url = "http://127.0.0.1:1"\n').targets["t"])

"""The settings files of service and identity process."""

import json
from pathlib import Path

import pytest

from capliquify_ops.reference.service import __main__ as service_main
from capliquify_ops.reference.service import identity
from capliquify_ops.reference.service.settings import SettingsInvalid, load_identity_settings, load_settings

SERVICE = {
    "host": "127.0.0.1", "port": 1, "instance": "i", "run_folder": "/x", "database_url": "postgresql://app:geheim@h/d",
    "platform_database_url": "postgresql://operator:geheim@h/d", "owner_role": "o", "issuer": "i", "authorized_party": "a", "keys_file": "k",
    "identity_url": "u",
}  # fmt: skip


def written(folder: Path, document: object) -> Path:
    path = folder / "settings.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    """A file with the required keys gives the contract's rate limit and a pool of ten, shared out to the workers."""
    settings = load_settings(written(tmp_path, SERVICE | {"workers": 3}))
    assert (settings.rate_limit_per_s, settings.rate_limit_burst, settings.pool_size, settings.access_log) == (200, 400, 10, None)
    assert settings.pool_size_per_worker == 3


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("{", "JSON"),
        ([], "object"),
        ({name: value for name, value in SERVICE.items() if name != "issuer"}, "issuer"),
        (SERVICE | {"isuer": "x"}, "isuer"),
        (SERVICE | {"port": "80"}, "port"),
        (SERVICE | {"port": True}, "port"),
        (SERVICE | {"pooled": 2}, "pooled"),
        (SERVICE | {"access_log": 3}, "access_log"),
        (SERVICE | {"workers": 0}, "workers"),
        (SERVICE | {"rate_limit_per_s": 0}, "rate_limit_per_s"),
        (SERVICE | {"workers": 11}, "workers"),
        (SERVICE | {"database_url": 3}, "database_url"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unusable_file_is_named_without_secrets(tmp_path: Path, document: object, named: str) -> None:
    """The error says which key is wrong, and never what a secret holds."""
    with pytest.raises(SettingsInvalid, match=named) as caught:
        load_settings(written(tmp_path, document))
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(("said", "meant"), [(True, True), (1, True), (0, False)])
def test_a_yes_or_no_may_be_a_number(tmp_path: Path, said: object, meant: object) -> None:
    """Whoever writes settings as numbers says 1 and 0; the service reads true and false."""
    assert load_settings(written(tmp_path, SERVICE | {"pooled": said})).pooled is meant


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    """Printing the settings shows no connection string and no admin token."""
    assert "geheim" not in repr(load_settings(written(tmp_path, SERVICE)))
    common = {"host": "h", "port": 1, "instance": "i", "run_folder": "r", "admin_token": "geheim"}
    assert "geheim" not in repr(load_identity_settings(written(tmp_path, common)))


def test_both_programs_end_with_78_and_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file ends the start with exit code 78 and says what to do."""
    for main in (service_main.main, identity.main):
        assert main(["--settings", str(tmp_path / "none.json")]) == 78
        assert "--settings" in capsys.readouterr().err

"""Secrets planted in every setting that may hold one: searched in every byte that comes out."""

import contextlib
import html
import io
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from capliquify_ops.cli import app
from capliquify_ops.configuration import load_settings
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.pytest_plugin.known_secrets import known_secrets

PASSWORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=4, max_size=20).map(
    lambda text: f"Zq8{text}8qZ"
)
KEYS = ("database_url", "operator_url")


def _urls(password):
    return f"postgresql://u:{quote(password, safe='')}@h.example/d", make_conninfo("host=h.example user=u", password=password)


def _configured(folder, password):
    """Targets that hold the password in a URL, a variable, a file and a token; returns the file and the environment."""
    environment, lines = {"DATABASE_URL": _urls(password)[0]}, []
    for number, url in enumerate(_urls(password)):
        for key in KEYS:
            (folder / f"{key}{number}").write_text(url, encoding="utf-8")
            environment[f"SECRET_{key}{number}"] = url
            for suffix, value in (("", url), ("_env", f"SECRET_{key}{number}"), ("_file", f"{key}{number}")):
                lines += [f"[targets.{key}{suffix}{number}]", f"{key}{suffix} = {json.dumps(value, ensure_ascii=False)}"]
    lines += [
        "[targets.static.identity]",
        'provider = "static"',
        f"tokens = {{ user = {json.dumps(password, ensure_ascii=False)} }}",
    ]
    path = folder / "planted.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path, environment


def _said(arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = app.run(arguments)
    return code, out.getvalue() + err.getvalue()


def _written(password):
    """The password as it would stand in text, JSON, a Python literal, a URL and a page."""
    yield from (password, json.dumps(password)[1:-1], json.dumps(password, ensure_ascii=False)[1:-1], repr(password)[1:-1])
    yield from (quote(password, safe=""), html.escape(password))


@settings(max_examples=15)
@given(PASSWORDS)
def test_no_setting_gives_its_secret_away(tmp_path_factory, password):
    """A random password in any setting is in no representation of the settings and in nothing that `config` prints."""
    path, environment = _configured(tmp_path_factory.mktemp("planted"), password)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        found = load_settings(path)
        said = [repr(found.targets["database_url0"]), repr(found.targets["operator_url_file1"]), str(found.targets["env"])]
        for arguments in (["config", "show"], ["config", "show", "--json"], ["config", "check"]):
            code, text = _said([*arguments, "--config", str(path)])
            assert code == 0, text
            said.append(text)
    assert len(found.targets) == 2 + 12 + 1
    for form in _written(password):
        assert not [text for text in said if form in text]


@settings(max_examples=15)
@given(PASSWORDS)
def test_every_secret_of_the_settings_is_masked_however_it_is_written(tmp_path_factory, password):
    """The redactor of a run masks the password of any target, raw, escaped as in JSON or Python, percent-encoded or in a page."""
    path, environment = _configured(tmp_path_factory.mktemp("planted"), password)
    found = load_settings(path, environment=environment)
    redactor = Redactor(known_secrets(found, found.targets["embedded"]))
    for form in _written(password):
        assert form not in redactor.text(f"before {form} after")

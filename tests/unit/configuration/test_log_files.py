"""The logs of a target: where they are, relative to the configuration."""

from pathlib import Path

import pytest

from capliquify_ops.configuration import TargetClass
from capliquify_ops.configuration.target_table import parse_target
from capliquify_ops.model.errors import ConfigurationInvalid


def parsed(**row):
    return parse_target("here", {"class": TargetClass.LOOPBACK.value, **row}, where="x.toml", folder=Path("/etc/app"), env={})


def test_log_files_are_relative_to_the_configuration():
    """A name is a file beside the configuration, an absolute path is itself, and nothing given is none."""
    assert parsed().log_files == ()
    assert parsed(log_files=["a.log", "/var/b.log"]).log_files == (Path("/etc/app/a.log"), Path("/var/b.log"))


@pytest.mark.parametrize("given", ["a.log", [1], [""]])
def test_log_files_of_another_kind(given):
    """Anything but a list of names is refused."""
    with pytest.raises(ConfigurationInvalid, match=r"targets\.here\.log_files must be a list of files"):
        parsed(log_files=given)


def test_the_mail_folder_is_relative_to_the_configuration():
    """The folder of a mail sink is beside the configuration too, and nothing given is none."""
    assert parsed().mail_folder is None
    assert parsed(mail_folder="mail").mail_folder == Path("/etc/app/mail")
    with pytest.raises(ConfigurationInvalid, match=r"targets\.here\.mail_folder must be text"):
        parsed(mail_folder=["mail"])

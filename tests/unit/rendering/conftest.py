"""Gives the builders to tests, which cannot import their neighbours."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def build():
    """The module of builders."""
    spec = importlib.util.spec_from_file_location("rendering_builders", Path(__file__).with_name("builders.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

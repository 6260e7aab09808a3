"""A real browser, and pages to open in it. Without one the tests are skipped, visibly; in CI, which installs it, they fail."""

import importlib.util
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from capliquify_ops.signoff.report import html

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BUILDERS = Path(__file__).parents[1] / "unit" / "rendering" / "builders.py"


@pytest.fixture(scope="session")
def build():
    """The module of builders, shared with the unit tests of rendering."""
    spec = importlib.util.spec_from_file_location("rendering_builders", BUILDERS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def browser():
    """Chromium, for one module: while playwright runs, no test of the same process can run an event loop of its own."""
    if not CHROMIUM.exists():
        missing = f"The browser tests need {CHROMIUM}. Install it with: apt-get update && apt-get install -y chromium"
        pytest.fail(missing, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def report(build, tmp_path_factory):
    """A function that writes one of the built reports and returns its address."""
    folder = tmp_path_factory.mktemp("reports")
    decisions = {
        "every_state": build.every_state,
        "ready": build.ready,
        "hostile": lambda: build.every_state(build.hostile_mark()),
        "huge": lambda: build.with_findings(10_000, 100),
    }

    def write(name):
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_bytes(html(decisions[name](), build.raw))
        return path.as_uri()

    return write


@dataclass
class Opened:
    """A page with everything that it said and asked for."""

    page: object
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser, report):
    """A function that opens a report in a fresh context."""

    @contextmanager
    def open_report(name, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        found = Opened(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("console", lambda message: found.said.append(message.text))
        page.on("pageerror", lambda error: found.said.append(str(error)))
        page.on("dialog", lambda dialog: (found.said.append(dialog.message), dialog.dismiss()))
        page.goto(report(name))
        yield found
        context.close()

    return open_report


@pytest.fixture(scope="module")
def shown(browser, report):
    """A function that gives a report's one open page: opening it takes longer than looking at it. Whoever uses it only looks."""
    pages = {}

    def page_of(name, width=1280, scheme="light"):
        if name not in pages:
            pages[name] = browser.new_page()
            pages[name].goto(report(name))
        pages[name].emulate_media(color_scheme=scheme)
        pages[name].set_viewport_size({"width": width, "height": 900})
        return pages[name]

    return page_of

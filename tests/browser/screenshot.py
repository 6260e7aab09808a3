"""Keep a picture of the report for the documentation: python tests/browser/screenshot.py --write docs/images/report.png.

No test run writes the picture.
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from capliquify_ops.signoff.report import html

HERE = Path(__file__).parent


def module(path):
    """Load a module of the tests by its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def main():
    """Write the picture where the option says."""
    parser = argparse.ArgumentParser(description="Keep a picture of a built report.")
    parser.add_argument("--write", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    options = parser.parse_args()
    build, browser = module(HERE.parent / "unit" / "rendering" / "builders.py"), module(HERE / "conftest.py")
    options.write.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder, "report.html")
        page_file.write_bytes(html(build.every_state(), build.raw))
        chromium = playwright.chromium.launch(executable_path=str(browser.CHROMIUM), args=browser.FLAGS)
        page = chromium.new_page(viewport={"width": 1280, "height": 1400}, color_scheme=options.scheme)
        page.goto(page_file.as_uri())
        page.screenshot(path=options.write)
        chromium.close()


if __name__ == "__main__":
    main()

"""The sign-off report in a real browser: quiet, readable at every width, in both themes, on paper and without JavaScript."""

import base64
import re
from itertools import pairwise

import pytest

NAMES = ["every_state", pytest.param("ready", marks=pytest.mark.whole), "hostile"]
BEYOND = "[...document.querySelectorAll('main *, header *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
LANDMARKS = "['body > header', 'main', 'body > footer', 'h1'].map(s => document.querySelectorAll(s).length)"
PIXELS = """async (data) => {
  const image = new Image();
  image.src = "data:image/png;base64," + data;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  const colours = new Set();
  let light = 0;
  for (let n = 0; n < pixels.length; n += 4) {
    colours.add((pixels[n] << 16) | (pixels[n + 1] << 8) | pixels[n + 2]);
    light += pixels[n] + pixels[n + 1] + pixels[n + 2];
  }
  return [colours.size, light / (pixels.length / 4) / 3];
}"""


def look(browser, opened_page):
    """Return how many colours the visible part has, and how light it is from 0 to 255."""
    shot = base64.b64encode(opened_page.screenshot()).decode()
    page = browser.new_page()
    colours, light = page.evaluate(PIXELS, shot)
    page.close()
    return colours, light


def pages(pdf):
    """Return how many pages a PDF has."""
    assert pdf.startswith(b"%PDF-")
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_quiet(opened, report, name):
    """Opening a report asks for nothing but the file, and the console stays empty: no error, no refused style."""
    with opened(name) as found:
        assert found.requests == [report(name)]
        assert found.said == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [320, pytest.param(768, marks=pytest.mark.whole), 1280])
def test_nothing_is_wider_than_the_screen(shown, name, width):
    """No page scrolls sideways, and no text leaves the screen, with every detail unfolded."""
    page = shown(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(f"{BEYOND}.map(e => e.outerHTML.slice(0, 120))") == []


@pytest.mark.whole
def test_ten_thousand_findings(opened, report):
    """The report of ten thousand findings is as quiet, as narrow and as well ordered as a short one."""
    with opened("huge", width=320) as found:
        assert found.requests == [report("huge")]
        assert found.said == []
        found.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert found.page.evaluate("document.documentElement.scrollWidth") == 320
        assert found.page.evaluate(f"{BEYOND}.length") == 0
        assert found.page.evaluate(LANDMARKS) == [1, 1, 1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_themes_are_drawn(browser, shown, name):
    """Both themes are drawn and differ: the light one is light, the dark one dark."""
    light, dark = {}, {}
    for scheme, result in (("light", light), ("dark", dark)):
        result["colours"], result["light"] = look(browser, shown(name, scheme=scheme))
    assert min(light["colours"], dark["colours"]) > 50, "the page is blank"
    assert light["light"] > 200
    assert dark["light"] < 60


def test_the_style_is_applied(opened):
    """The policy lets the one style through: the verdict is set large."""
    with opened("every_state") as found:
        assert found.page.evaluate("parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)") > 40


def test_another_style_is_refused(opened):
    """The policy is in force: a style or script that is added later does not act."""
    with opened("every_state") as found:
        found.page.evaluate(
            """() => {
              const style = document.createElement('style'); style.textContent = 'h1 { display: none }'; document.head.append(style);
              const script = document.createElement('script'); script.textContent = 'window.ran = true'; document.head.append(script);
            }"""
        )
        assert found.page.locator("h1").is_visible()
        assert found.page.evaluate("window.ran") is None


def test_hostile_text_is_inert(opened):
    """With attacks in every field there is no script, image, handler or foreign link, and no dialog opens."""
    with opened("hostile") as found:
        assert found.page.evaluate("document.querySelectorAll('script, img, iframe, object, form, link').length") == 0
        handlers = "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on') || a.name == 'style')"
        assert found.page.evaluate(f"{handlers}.length") == 0
        assert found.page.evaluate("[...document.links].every(l => l.getAttribute('href').startsWith('#'))")
        assert found.said == []


def test_direction_marks_do_not_turn_their_surroundings(opened):
    """Text after a field with a direction override still runs from left to right."""
    with opened("hostile") as found:
        directions = "[...document.querySelectorAll('bdi')].map(e => getComputedStyle(e).unicodeBidi)"
        assert set(found.page.evaluate(directions)) == {"isolate"}
        assert "\u202e" not in found.page.content()


@pytest.mark.parametrize("name", ["every_state", pytest.param("ready", marks=pytest.mark.whole)])
def test_it_reads_and_unfolds_without_javascript(opened, name):
    """Without JavaScript everything is there, and a record unfolds from the keyboard."""
    with opened(name, java_script_enabled=False) as found:
        assert found.page.locator("h1").inner_text() == ("READY" if name == "ready" else "NOT READY")
        record = found.page.locator("details:not([open])").first
        check = record.locator("code.check").inner_text()
        found.page.locator("details:not([open]) summary").first.focus()
        found.page.keyboard.press("Enter")
        unfolded = found.page.locator("details[open]", has_text=check).first
        assert unfolded.locator(".record-body").is_visible()


def test_the_keyboard_reaches_everything(opened):
    """The first stop is a visible skip link, every record's summary is a stop, and the focus is drawn."""
    with opened("every_state") as found:
        page = found.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        wanted = page.locator("summary").count()
        stops = 0
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            stops += page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert stops == wanted
        page.locator("summary").first.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("name", NAMES)
def test_landmarks_and_headings(shown, name):
    """One banner, one main, one footer, one first heading, and no level is left out."""
    page = shown(name)
    assert page.evaluate(LANDMARKS) == [1, 1, 1, 1]
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => +h.tagName[1])")
    assert [(a, b) for a, b in pairwise(levels) if b > a + 1] == []
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("name", [pytest.param("every_state", marks=pytest.mark.whole), "hostile"])
def test_it_prints_whole(opened, name):
    """Printed to PDF, folded records take the pages that unfolded ones take."""
    with opened(name) as found:
        folded = pages(found.page.pdf(format="A4"))
        found.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert folded == pages(found.page.pdf(format="A4")) > 2


def test_folded_records_show_on_paper(opened):
    """On paper a folded record's content is visible, in black on white also in the dark theme."""
    with opened("every_state", color_scheme="dark") as found:
        shown = "[...document.querySelectorAll('details:not([open]) .record-body')].map(e => e.checkVisibility())"
        assert set(found.page.evaluate(shown)) == {False}
        found.page.emulate_media(media="print", color_scheme="dark")
        assert set(found.page.evaluate(shown)) == {True}
        assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert found.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_charts_have_names(opened):
    """Both load charts are images with a name and a description for assistive technology, and are drawn."""
    with opened("every_state") as found:
        charts = found.page.get_by_role("img", name="Latency distribution").or_(
            found.page.get_by_role("img", name="Requests per second")
        )
        assert charts.count() == 2
        assert all(charts.nth(n).bounding_box()["height"] > 100 for n in range(2))


@pytest.mark.parametrize("width", [320, 1280])
def test_chart_labels_do_not_collide(shown, width):
    """No two labels of a chart overlap and none leaves the chart, on a telephone as on a desk."""
    collisions = """[...document.querySelectorAll('svg.chart')].flatMap(svg => {
          const frame = svg.getBoundingClientRect();
          const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
          const out = boxes.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1).map(([t]) => t);
          const hits = boxes.flatMap(([t, a], n) => boxes.slice(n + 1).filter(([, b]) =>
            a.left < b.right && b.left < a.right && a.top < b.bottom - 3 && b.top < a.bottom - 3).map(([u]) => [t, u]));
          return [...out, ...hits];
        })"""
    assert shown("every_state", width=width).evaluate(collisions) == []

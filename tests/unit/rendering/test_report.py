"""The sign-off report: complete, inert, bounded, and the same bytes each time."""

import base64
import hashlib
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import capliquify_ops.signoff.report.page as page_module
from capliquify_ops.model.outcome import State
from capliquify_ops.signoff.report import html

HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("<>\"'&=/!-{}%#")), min_size=1, max_size=60)
LIMIT = 5_000_000


class Reader(HTMLParser):
    """Collects elements with their attributes, and text apart."""

    def __init__(self):
        super().__init__()
        self.elements, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.elements.append(("comment", data))


def read(decision, raw=lambda _: None):
    reader = Reader()
    reader.feed(html(decision, raw).decode())
    reader.close()
    return reader


def words(reader):
    return re.sub(r"\s+", " ", " ".join(reader.text))


def test_it_leads_with_verdict_target_and_reasons(build):
    """The verdict, what was measured and what blocks come first, reasons worst first."""
    text = words(read(build.every_state(), build.raw))
    order = [
        "NOT READY", "staging", "2026-03-14 09:27:23 UTC", "pg-7391882034412908123-capliquify-3f9a0c", "What blocks the launch", "closed the connection after 412 requests",
        "a member of acme read 3 products", "Sign-off sheet", "Evidence", "Do it again", "capliquify-ops readiness --target staging",
    ]  # fmt: skip
    places = [text.index(words_) for words_ in order]
    assert places == sorted(places)


def test_only_passed_boxes_are_ticked(build):
    """Of every state a box can have, passed alone is ticked, on the sheet and above its evidence."""
    decision = build.every_state()
    for state in State:
        boxes = tuple(replace(result, state=state) for result in decision.boxes)
        elements = read(replace(decision, boxes=boxes)).elements
        ticks = [dict(attrs)["aria-label"] for tag, attrs in elements if tag == "svg" and "aria-label" in dict(attrs)]
        assert ticks.count("Ticked") == (14 if state is State.PASSED else 0)


def test_a_record_shows_all_its_evidence(build):
    """Claim, why, values with units, limit and source, coverage, evidence, witness, spread and digests are on the page."""
    text = words(read(build.every_state(), build.raw))
    for part in (
        "No credential reads another tenant's data", "foreign rows", "240", "= 0", "security control SEC-001", "48 of 50", "not all of what was eligible",
        "GET /api/products?limit=50", "ORDER BY id LIMIT 3;", "tenant-19", "and 3 more", build.ABC, "47.92 ms", "9,000 requests at an even pace, open model",
        "https://staging.example.com", "30.2 s", "capliquify-ops remedy plan quarantine_tenant", "L3", "Measured 9 days ago", "The check started and never finished.",
        "sec_017_guessed_ids", "No record of this check counts for this target: it was not run.", "records/rec-mixed_load.json",
    ):  # fmt: skip
        assert part in text


def test_approvals_wait(build):
    """Every role of the sheet is awaited by name and nothing there is ticked."""
    text = words(read(build.every_state()))
    for role in ("Technical Lead", "DevOps Lead", "Product Owner", "CTO"):
        assert re.search(rf"{role} awaiting approval", text)


def test_load_charts_stand_in_the_load_box(build):
    """The raw load run is drawn once, with its numbers in words; without raw data there is no chart and no error."""
    with_raw, without = html(build.every_state(), build.raw).decode(), html(build.every_state(), lambda _: None).decode()
    assert with_raw.count('<svg class="chart"') == 2
    assert "8,928 completed, 8 failed" in with_raw
    assert '<svg class="chart"' not in without


def test_nothing_is_loaded_and_nothing_runs(build):
    """No script, no style attribute, no handler, no address: and the one style is the one that the policy allows."""
    content = html(build.every_state(build.hostile_mark()), build.raw).decode()
    reader = read(build.every_state(build.hostile_mark()), build.raw)
    names = {name for _, attrs in reader.elements for name, _ in attrs}
    assert not {tag for tag, _ in reader.elements} & {"script", "link", "img", "iframe", "object", "form", "base", "comment"}
    assert not [name for name in names if name.startswith("on") or name in {"style", "src", "srcset", "action"}]
    assert {value[0] for _, attrs in reader.elements for name, value in attrs if name in {"href", "xlink:href"}} == {"#"}
    style = re.search(r"<style>(.*?)</style>", content, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in content
    assert not re.search(r"url\(|@import", style)


def test_ids_are_unique_and_links_lead_somewhere(build):
    """Every id stands once and every link has its target."""
    elements = read(build.every_state(), build.raw).elements
    ids = [value for _, attrs in elements for name, value in attrs if name == "id"]
    used = {value[1:] for _, attrs in elements for name, value in attrs if name == "href"}
    used |= {word for _, attrs in elements for name, value in attrs if name == "aria-labelledby" for word in value.split()}
    assert len(ids) == len(set(ids))
    assert used <= set(ids)


def differences(build, texts):
    """Return the first elements that hostile texts change, against the page of harmless ones."""
    hostile = read(build.every_state(build.hostile_mark(tuple(texts))), build.raw).elements
    harmless = read(build.every_state(build.hostile_mark(("a",))), build.raw).elements
    changed = [pair for pair in zip(hostile, harmless, strict=False) if pair[0] != pair[1]]
    return changed[:3], len(hostile) - len(harmless)


def test_known_attacks_add_no_element(build):
    """The collected attacks change neither elements nor attributes."""
    assert differences(build, build.HOSTILE) == ([], 0)


@settings(deadline=None, max_examples=40)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=12))
def test_hostile_text_adds_no_element(build, texts):
    """Whatever stands in any field, the page has the elements and attributes that it has with harmless text."""
    assert differences(build, texts) == ([], 0)


def test_a_template_that_forgets_is_inert_all_the_same():
    """A text written without any filter is escaped, visible and bounded."""
    template = page_module._environment().from_string("{{ text }}")
    assert template.render(text="<b>\u202e") == "&lt;b&gt;[U+202E]"
    assert len(template.render(text="x" * 10_000)) < 1_000


def test_hidden_characters_are_shown(build):
    """Direction overrides and controls are visible, and none is left in the file."""
    content = html(build.every_state(build.hostile_mark()), build.raw).decode()
    assert "[U+202E]gnp.exe" in content
    assert "a[NUL]b[ESC][31mred" in content
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", content)


@pytest.mark.parametrize(("count", "records"), [(10_000, 1), pytest.param(10_000, 100, marks=pytest.mark.whole), (10_000, 5_000)])
def test_thousands_of_findings_stay_usable(build, count, records):
    """10,000 findings give less than 5 MB in less than 5 seconds, with a count of what is not shown."""
    decision = build.with_findings(count, records)
    start = time.process_time()
    content = html(decision, build.raw)
    assert time.process_time() - start < 5
    size, counted = len(content), content.count(b" more finding")
    assert size < LIMIT
    assert counted == records


@pytest.mark.whole
def test_long_hostile_findings_stay_usable(build):
    """10 kB in every field of 10,000 findings stays below 5 MB."""
    text = "\u202e<" * 5_000
    decision = build.with_findings(10_000, 100, lambda _: text)
    size = len(html(decision, build.raw))
    assert size < LIMIT


def test_bytes_are_stable(build):
    """The same decision gives the same bytes, also in a fresh environment."""
    first = html(build.every_state(), build.raw)
    page_module._environment.cache_clear()
    assert html(build.every_state(), build.raw) == first


def test_ready(build):
    """A ready decision says READY, ticks seven boxes and names nothing that blocks."""
    text = words(read(build.ready()))
    assert "NOT READY" not in text
    assert "Nothing: every box is ticked by evidence." in text


def luminance(colour):
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, two):
    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def palettes():
    style = (Path(page_module.__file__).parent / "templates" / "style.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks[:2])
    return {"light": light, "dark": {**light, **dark}}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_meets_aa(theme):
    """Every text colour stands out from every ground that it is used on by at least 4.5 to 1, lines of controls by 3 to 1."""
    colours = palettes()[theme]
    grounds = ("page", "surface", "sunken")
    pairs = [(text, ground) for text in ("ink", "quiet", "accent") for ground in grounds]
    pairs += [
        (state, ground) for state in ("passed", "failed", "error", "warn", "none") for ground in ("surface", f"{state}-soft")
    ]
    assert {
        pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    } == {}
    assert contrast(colours["strong-line"], colours["surface"]) >= 3

"""The sensor finds a canary in every wrapping that services use, and never where there is none."""

import base64
import gzip
import io
import json
import zipfile
import zlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.isolation.canary import TOKEN_BYTES, Canary, mint
from capliquify_ops.isolation.sensor import sightings

CANARY = mint("r0123456789", "b", "products 1 of b", bytes(range(TOKEN_BYTES)))
OTHER = mint("r0123456789", "a", "products 2 of a", b"\xff" * TOKEN_BYTES)
TEXTS = st.text(max_size=200)


def escaped(content):
    return "".join(f"\\u{ord(letter):04x}" for letter in content.decode("latin-1")).encode()


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("empty.csv", "")
        archive.writestr("rows/products.csv", content)
    return file.getvalue()


WRAPPINGS = {
    "plain": lambda content: content,
    "upper case": bytes.upper,
    "json": lambda content: json.dumps({"name": content.decode("utf-8", "replace")}).encode(),
    "json escapes": escaped,
    "url": lambda content: "".join(f"%{byte:02X}" for byte in content).encode(),
    "url twice": lambda content: quote(quote(content, safe=""), safe="").encode(),
    "html": lambda content: "".join(f"&#{byte};" for byte in content).encode(),
    "base64": base64.b64encode,
    "base64 for urls": base64.urlsafe_b64encode,
    "base64 without padding": lambda content: base64.b64encode(content).rstrip(b"="),
    "base64 in lines": base64.encodebytes,
    "hex": lambda content: content.hex().encode(),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zip": zipped,
    "gzip in zip": lambda content: zipped(gzip.compress(content)),
    "utf-16": lambda content: content.decode("latin-1").encode("utf-16"),
    "base64 of gzip in json": lambda content: json.dumps({"export": base64.b64encode(gzip.compress(content)).decode()}).encode(),
    "hex of base64": lambda content: base64.b64encode(content).hex().encode(),
    "base64 of a json document": lambda content: base64.b64encode(json.dumps({"n": content.decode("latin-1")}).encode()),
}


@pytest.mark.parametrize("wrapping", sorted(WRAPPINGS))
@given(before=TEXTS, after=TEXTS, outside=st.binary(max_size=40))
def test_a_wrapped_canary_is_found(wrapping, before, after, outside):
    """A canary is found in each wrapping, whatever stands around it, inside and outside of the wrapping."""
    content = before.encode("utf-8", "replace") + CANARY.token.encode() + after.encode("utf-8", "replace")
    body = outside.replace(b"\\", b"") + b"\n:" + WRAPPINGS[wrapping](content)
    if wrapping in {"gzip", "zlib", "zip", "gzip in zip", "utf-16"}:
        body = WRAPPINGS[wrapping](content)
    found = sightings([CANARY, OTHER], body, {})
    assert [one.label for one in found] == [CANARY.label]


@given(prefix=st.text(alphabet="abcXYZ019+/", max_size=9))
def test_base64_at_any_alignment(prefix):
    """Base64 is read at whatever place it starts, also right behind letters that base64 uses itself."""
    body = prefix.encode() + base64.b64encode(b"x" * len(prefix) + CANARY.token.encode() + b" and more")
    assert sightings([CANARY], body, {})


@given(body=st.binary(max_size=2000), name=st.text(max_size=20), value=st.text(max_size=100))
def test_nothing_is_found_where_nothing_is(body, name, value):
    """Whatever a service answers, a canary that is not in it is not found."""
    assert sightings([CANARY, OTHER], body, {name: value}) == ()


@given(start=st.integers(0, len(CANARY.token) - 1))
def test_a_part_of_a_canary_is_no_canary(start):
    """A shortened canary is not taken for the whole."""
    body = (CANARY.token[:start] + CANARY.token[start + 1 :] + " ").encode()
    assert sightings([CANARY], body, {}) == ()


def test_place_and_form_are_named():
    """A sighting says whose canary was met, where, and in which wrapping."""
    (one,) = sightings([CANARY], b"{}", {"x-debug": base64.b64encode(CANARY.token.encode()).decode()})
    assert (one.tenant, one.label, one.place, one.form) == ("b", "products 1 of b", "headers", "base64")


def test_a_canary_does_not_print_itself():
    """The secret word is in no representation of a canary: a report that held it would look like a leak to the next audit."""
    assert CANARY.token not in repr(CANARY)


def test_a_nested_archive_ends():
    """An answer made to explode is looked through within bounds."""
    body = b"0" * 5_000_000
    for _ in range(6):
        body = gzip.compress(body)
    assert sightings([Canary("b", "x", "canaryffff")], body, {}) == ()

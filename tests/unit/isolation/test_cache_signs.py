"""Caches are seen where they show themselves, and shared ones are only complained of where they could mix callers."""

import pytest

from capliquify_ops.isolation.cache_signs import is_hit, shared_storage

HITS = [
    {"x-cache": "HIT"},
    {"x-cache": "Hit from cloudfront"},
    {"cf-cache-status": "HIT"},
    {"age": "3"},
    {"cache-status": "edge; hit; ttl=30"},
    {"x-own": "hit"},
]
MISSES = [{}, {"x-cache": "MISS"}, {"age": "0"}, {"age": ""}, {"x-own": "miss"}, {"x-own": "white"}, {"x-other": "hit"}]
SHARED = ["public, max-age=60", "Public", "s-maxage=10", "max-age=0, s-maxage=5", "public, must-revalidate"]
APART = [
    ("", ""),
    ("no-store", ""),
    ("private, max-age=60", ""),
    ("max-age=60", ""),
    ("public, no-cache", ""),
    ("public, max-age=0, must-revalidate", ""),
    ("s-maxage=0", ""),
    ("public, max-age=60", "Accept, Authorization"),
    ("public, max-age=60", "*"),
]


@pytest.mark.parametrize("headers", HITS)
def test_a_hit(headers):
    """The service's own header, those of common caches, and an age."""
    assert is_hit(headers, "X-Own")


@pytest.mark.parametrize("headers", MISSES)
def test_no_hit(headers):
    """A miss, an age of nothing, and headers that nobody named."""
    assert not is_hit(headers, "X-Own")
    assert not is_hit(headers, "")


@pytest.mark.parametrize("said", SHARED)
def test_shared(said):
    """A cache for everybody may keep the answer, whoever asks next."""
    assert "Cache-Control" in shared_storage({"cache-control": said})
    assert shared_storage({"cache-control": said, "vary": "Accept-Encoding"})


@pytest.mark.parametrize(("said", "vary"), APART)
def test_apart(said, vary):
    """Kept by nobody, by the caller alone, by credentials, or asked about each time."""
    assert shared_storage({"cache-control": said, "vary": vary}) == ""

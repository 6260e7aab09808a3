"""Anything that JSON can say, in place of an answer or of any part of it: it gives a record, or one sentence that refuses it."""

from hypothesis import strategies as st

from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import IntegrationFailed

TIMES = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2030-01-01", "2030-01-01T00:00:00", "2030-W01-1"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([*TIMES, "\ud800", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def spoilt(good):
    """A good answer with anything in place of the whole, or of any part of it."""
    return st.builds(lambda path, anything: put(good, path, anything), st.sampled_from(list(_paths(good))), JSON)


def put(value, path, new):
    """That answer with something else at one place of it."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


def _paths(value, path=()):
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _paths(inner, (*path, key))


def read_or_refused(read, service, value):
    """The record; or None, where the answer is refused by service, operation and place."""
    try:
        return read(Shape(service, "a test", value))
    except IntegrationFailed as fault:
        assert fault.what.startswith(f"{service}'s answer to a test is not understood: the answer")
        return None

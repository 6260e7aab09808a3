"""Connection strings shown to people: never a part of a password, whatever characters it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.database import address_of, masked
from capliquify_ops.database.dsn import secret_parts
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.secret import Secret

PASSWORDS = st.text("aZ9/@?#:%&=+ ", min_size=1, max_size=12).map(lambda text: f"Q7{text}x8J")


@given(PASSWORDS)
def test_no_part_of_an_unescaped_password_is_shown(password):
    """A password with characters that end it early is refused or masked; neither the address nor the error holds its pieces."""
    url = Secret(f"postgresql://u:{password}@db.example.com/shop")
    try:
        shown = address_of(url) + masked(url)
    except ConfigurationInvalid as error:
        shown = str(error)
    assert "Q7" not in shown
    assert "x8J" not in shown


@pytest.mark.parametrize(
    "url", ["postgresql://u:hunter2/SeCreT9@h/d", "postgresql://u:hunt@SeCreT9@h/d", "postgresql://u:12/x@h/d"]
)
def test_a_misread_url_is_refused(url):
    """A URL whose password ends too early is refused with the advice to percent-encode it."""
    with pytest.raises(ConfigurationInvalid, match="Percent-encode"):
        address_of(Secret(url))


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:p%2Fw%40d@h:5432/d", "host=h port=5432 dbname=d password=p/w@d user=u", "postgresql://h1:1,h2:2/d", ""],
)
def test_good_urls_are_read(url):
    """Escaped passwords, key=value strings, several hosts and the empty string are read."""
    assert "p/w@d" not in address_of(Secret(url)) + masked(Secret(url))
    assert url in secret_parts(Secret(url))

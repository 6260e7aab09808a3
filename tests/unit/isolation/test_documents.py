"""Answers in JSON, XML and CSV say the same objects; what is none of them says nothing."""

import csv
import io
import json
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.isolation.documents import document_of
from capliquify_ops.isolation.exchange import objects

ROWS = [{"id": "1", "name": "x"}, {"id": "2", "name": "y"}]
XML = "<r><row><id>1</id><name>x</name></row><row><id>2</id><name>y</name></row></r>"
NAMES = st.sampled_from(["id", "name", "price", "unit"])
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff\ufeff"), max_size=30
)
TABLES = st.lists(st.fixed_dictionaries({"id": TEXTS.filter(bool), "name": TEXTS, "price": TEXTS}), max_size=5)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", json.dumps({"data": ROWS})),
        ("", json.dumps(ROWS)),
        ("text/plain", json.dumps(ROWS)),
        ("application/xml", XML),
        ("text/xml; charset=utf-8", XML),
        ("application/vnd.shop+xml", f"<?xml version='1.0'?>\n{XML}"),
        ("application/xml", "<list xmlns='urn:x'><row id='1'><name>x</name></row><row id='2' name='y'/></list>"),
        ("application/xml", "<a:list xmlns:a='urn:x'><a:row ID='1' name='x'/><a:row Id='2' name='y'/></a:list>"),
        ("application/xml", "<envelope><data><rows><row><Id>1</Id><name>x</name></row></rows><rows><row id='2' name='y'/></rows></data></envelope>"),
        ("text/csv", "id,name\r\n1,x\r\n2,y\r\n"),
        ("text/csv; header=present", "\ufeffid;name\n1;x\n\n2;y"),
        ("text/csv", '"ID","name"\n"1","x"\n2,y,more'),
        ("text/tab-separated-values", "id\tname\n1\tx\n2\ty\n"),
    ],
)  # fmt: skip
def test_the_same_objects(content_type, body):
    """Whatever rows are written in, the same objects are read."""
    assert list(objects(document_of(body.encode(), content_type))) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_other_encodings(encoding):
    """An XML document is read in the encoding that it, or its content type, names."""
    body = f"<?xml version='1.0' encoding='{encoding}'?><r><id>ü</id></r>".encode(encoding)
    assert document_of(body, "text/xml") == {"id": "ü"}
    assert document_of("id,name\n1,ü".encode("iso-8859-1"), "text/csv; charset=iso-8859-1") == [{"id": "1", "name": "ü"}]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", "<html><p>200</p></html>"),
        ("application/xhtml+xml", "<html><p>200</p></html>"),
        ("application/xml", ""),
        ("application/xml", "<a><b></a>"),
        ("application/xml", "{}"),
        ("application/xml; charset=no-such", XML),
        ("application/xml", '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r><id>&e;</id></r>'),
        ("application/xml", '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><r>&b;</r>'),
        ("application/xml", "<!DOCTYPE r SYSTEM 'http://example.com/x.dtd'><r/>"),
        ("application/xml", "<a>" * 5000 + "</a>" * 5000),
        ("application/json", XML),
        ("application/json", "[" * 100_000),
        ("text/csv", 'id\n"' + "x" * 200_000),
    ],
)  # fmt: skip
def test_no_document(content_type, body):
    """A page, a malformed or hostile body, one in another form than its type says: nothing is read from it."""
    assert document_of(body.encode(), content_type) is None


def test_what_is_empty_is_a_document():
    """An empty list is an answer in each of the forms."""
    assert document_of(b"<rows/>", "application/xml") == {"rows": ""}
    assert document_of(b"", "text/csv") == []
    assert document_of(b"id,name\n", "text/csv") == []


def test_an_error_in_xml():
    """The members of an error are found as in JSON."""
    assert document_of(b"<error><code>missing</code></error>", "text/xml") == {"code": "missing"}
    assert document_of(b"<code>missing</code>", "text/xml") == {"code": "missing"}
    assert document_of(b"<r><p id='7'>text</p></r>", "text/xml") == {"p": {"id": "7", "#text": "text"}}


@given(rows=TABLES)
def test_rows_in_xml(rows):
    """Each row comes back from XML as it was written, members as elements or as attributes."""
    inner = "".join("<row>" + "".join(f"<{key}>{escape(value)}</{key}>" for key, value in row.items()) + "</row>" for row in rows)
    assert list(objects(document_of(f"<rows>{inner}</rows>".encode(), "text/xml"))) == rows
    inner = "".join("<row " + " ".join(f"{key}={quoteattr(value)}" for key, value in row.items()) + "/>" for row in rows)
    assert list(objects(document_of(f"<rows>{inner}</rows>".encode(), "text/xml"))) == rows


@given(rows=TABLES, delimiter=st.sampled_from(",;\t"))
def test_rows_in_csv(rows, delimiter):
    """Each row comes back from CSV as it was written, line ends in texts included."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["id", "name", "price"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    assert document_of(file.getvalue().encode(), "text/csv; charset=utf-8") == rows


@given(body=st.binary(max_size=200), content_type=st.sampled_from(["text/xml", "text/csv", "text/tab-separated-values"]) | TEXTS)
def test_any_body_can_be_read(body, content_type):
    """Whatever is answered, reading it ends without an error."""
    document_of(body, content_type)

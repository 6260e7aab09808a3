"""What counts as telling the service's insides, and what does not."""

import json

import pytest

from capliquify_ops.isolation.disclosures import disclosed, wanted

TRACES = [
    'Traceback (most recent call last):\n  File "main.py", line 3, in f',
    'File "/x/y", line 12',
    "TypeError: x\n    at Object.get (/app/dist/routes/products.js:31:9)",
    "    at async file:///app/main.mjs:3:1",
    "at com.example.Products.get(Products.java:31)",
    "goroutine 17 [running]:",
    "main.go:31 +0x1d",
    "app/models/product.rb:31:in `find'",
    "#0 /var/www/html/index.php(31): find()",
    "Fatal error: Uncaught Exception in /x on line 3",
    "at Shop.Products.Get(Int32 id) in C:\\src\\Products.cs:line 31",
    "thread 'main' panicked at",
]
SQL = [
    'invalid input syntax for type uuid: "x"',
    'relation "products" does not exist',
    'column "nmae" of relation "products" does not exist',
    'duplicate key value violates unique constraint "k"',
    "syntax error at or near",
    "permission denied for table users",
    "SQLSTATE 42P01",
    "SELECT id, name FROM products WHERE id = 1",
    "INSERT INTO products (id) VALUES",
]
PATHS = ["cannot read /srv/app/config/settings.py", "in /usr/lib/python3/dist-packages/x", "C:\\inetpub\\wwwroot\\web.config"]
SECRETS = [
    ("postgresql://app@db.internal:5432/app", "a connection string"),
    ("mongodb+srv://db.internal/app", "a connection string"),
    ("host=db user=app dbname=app password=x", "a connection string"),
    ("https://user:word@internal/x", "credentials in an address"),
    ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
    ("sk_live_0123456789abcdef", "an access key"),
]
INNOCENT = [
    '{"upgradeUrl": "/settings/billing/upgrade"}',
    "Select a plan from the list and insert into your basket.",
    "see https://example.com/docs/errors.html at 10:31:09",
    "The password is missing.",
    "users of this organisation at level 3",
    "postgres is not reachable",
]


def told(text, *, is_error=True, **more):
    return disclosed(text.encode(), {}, more.pop("secrets", ()), is_error=is_error, **more)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((text, "a stack trace") for text in TRACES),
        *((text, "SQL") for text in SQL),
        *((text, "a path of the server") for text in PATHS),
    ],
)
def test_details_of_errors(text, says):
    """A trace, SQL or a path is told by an error, plain and inside JSON; in data it may stand."""
    assert f"{says} in body" in told(text)
    assert f"{says} in body" in told(json.dumps({"message": text}))
    assert told(text, is_error=False) == ()


@pytest.mark.parametrize(("text", "says"), SECRETS)
def test_secrets_anywhere(text, says):
    """Connection strings and keys are told by every answer, in the body and in headers."""
    assert f"{says} in body" in told(text, is_error=False)
    assert f"{says} in headers" in disclosed(b"", {"x-debug": text}, (), is_error=False)


def test_known_secrets():
    """A known secret is found in any wrapping, named and not shown; one of few letters is not looked for."""
    secrets = wanted({"password": "Corr3ct-Horse", "short": "app"})
    assert told("app", secrets=secrets) == ()
    assert told("got Corr3ct-Horse", secrets=secrets) == ("the password (plain in body)",)
    assert told("got Corr3ct%2DHorse", secrets=secrets) == ("the password (url-encoded in body)",)


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_texts(text):
    """Words that only look alike are nobody's disclosure."""
    assert told(text) == ()


def test_an_echo_of_what_was_sent():
    """What the caller sent may be shown again, encoded or not."""
    text = "no such path: /srv/app/main.py"
    assert told(text) == ("a path of the server in body",)
    assert told(text, sent=("/srv/app/main.py",)) == ()
    assert told(text, sent=("%2Fsrv%2Fapp%2Fmain.py",)) == ()

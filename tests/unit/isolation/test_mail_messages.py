"""Messages as a test mail sink keeps them are read whole: recipients, subject, each part decoded."""

import os
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.isolation import mail_folder
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.mail_folder import MailFolder
from capliquify_ops.isolation.mail_messages import messages_of
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.sensor import sightings

WORD = Canary("b", "a word", "canary0123456789abcdef")
TEXT = f"Grüße: {WORD.token}, " + "and so on, " * 20


def written(subject="Your file", to="a@example.com", text="Hello", **more):
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "app@example.com", to, subject
    for name, value in more.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def attached(kind, **content):
    message = written()
    message.add_attachment(*([content.pop("data")] if "data" in content else []), **content, filename=f"x.{kind}")
    return message


def alternative(text):
    message = written()
    message.add_alternative(f"<p>{text}</p>", subtype="html", cte="base64")
    return message


def named():
    message = written()
    message.add_attachment(b"1", maintype="text", subtype="csv", filename=f"{TEXT[:40]}.csv")
    return message


FORMS = {
    "plain": lambda: written(text=f"x {WORD.token}"),
    "quoted-printable": lambda: written(text=TEXT),
    "html in base64": lambda: alternative(TEXT),
    "subject": lambda: written(subject=TEXT),
    "another header": lambda: written(X_Tenant=f"Grüße {WORD.token}"),
    "attachment": lambda: attached("csv", data=TEXT.encode(), maintype="text", subtype="csv"),
    "name of an attachment": named,
    "message inside": lambda: attached("eml", data=written(subject=TEXT)),
    "utf-16": lambda: attached("txt", data=TEXT.encode("utf-16"), maintype="text", subtype="plain"),
}


def seen(message):
    places = [sightings([WORD], part, {}) for part in message.parts] + [sightings([WORD], b"", message.headers)]
    return any(places)


@pytest.mark.parametrize("form", FORMS)
def test_a_word_in_each_form_is_found(form):
    """However a message carries a word, it is found in what is decoded."""
    (message,) = messages_of(FORMS[form]().as_bytes())
    assert message.recipients == {"a@example.com"}
    assert seen(message)


def test_recipients_of_every_kind():
    """Recipients are those of the headers and of the envelope as the sink noted it, in lower case, and are no content."""
    made = written(to="A <A@Example.com>, B <b@example.com>", Cc="c@example.com", X_Original_To=f"{WORD.token}@example.com")
    made["Received"] = f"from here by there for <{WORD.token}@example.com>"
    (message,) = messages_of(made.as_bytes())
    assert message.recipients == {"a@example.com", "b@example.com", "c@example.com", f"{WORD.token}@example.com"}
    assert message.subject == "Your file"
    assert not seen(message)


@pytest.mark.parametrize("kind", ["rule", "mbox"])
def test_several_messages_in_one_file(kind):
    """Messages that were written one after the other into one file stay apart: what the second says is not to the first's people."""
    one, two = written().as_bytes(), written(to="b@example.com", text=TEXT).as_bytes()
    rule, start = b"-" * 79 + b"\n", b"From app@example.com Thu Nov 26 10:00:00 2026\n"
    content = one + rule + two + rule if kind == "rule" else start + one + b"\n" + start + two
    first, second = messages_of(content)
    assert (first.recipients, second.recipients) == ({"a@example.com"}, {"b@example.com"})
    assert (seen(first), seen(second)) == (False, True)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no message at all", b"{}", b"\xff\xfe\0", b"To: \r\n\r\nx", b"Subject: =?utf-8?b?!!!?=\n\n",
        b"From nobody\n\nx",
    ],
)  # fmt: skip
def test_what_is_no_message(content):
    """A file without a recipient holds no message."""
    assert messages_of(content) == ()


def test_malformed_headers_are_read_as_they_stand():
    """What cannot be decoded is not left out."""
    content = f"To: a@example.com\nSubject: =?no-such-charset?q?x?= {WORD.token}\nX: =?utf-8?b?\xff?=\n\nx"
    (message,) = messages_of(content.encode("latin-1"))
    assert seen(message)


@given(content=st.binary(max_size=300), headers=st.binary(max_size=100))
def test_any_file_can_be_read(content, headers):
    """Whatever stands in a file, reading it ends without an error."""
    messages_of(content)
    messages_of(b"To: a@example.com\n" + headers + b"\n\n" + content)
    messages_of(b"To: a@example.com\nContent-Type: multipart/mixed; boundary=x\n" + headers + b"\n\n--x\n" + content + b"\n--x--")


def subjects(folder):
    return [message.subject for _, message in folder.messages()]


def test_only_new_messages(tmp_path):
    """What stood there before is left out; what came, was moved by a maildir or grew is there once, and unfinished ones are not."""
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "1.host").write_bytes(written("before").as_bytes())
    folder = MailFolder(tmp_path)
    assert subjects(folder) == []
    (tmp_path / "new" / "1.host").rename(tmp_path / "cur" / "1.host:2,S")
    (tmp_path / "new" / "2.host").write_bytes(written("second").as_bytes())
    (tmp_path / "tmp" / "3.host").write_bytes(written("third").as_bytes())
    assert subjects(folder) == ["second"]
    (tmp_path / "new" / "2.host").rename(tmp_path / "cur" / "2.host:2,S")
    (tmp_path / "4.eml").write_bytes(b"To: a@example.com\n")
    assert subjects(folder) == ["second", ""]
    (tmp_path / "4.eml").write_bytes(written("fourth").as_bytes())
    assert subjects(folder) == ["second", "fourth"]


def test_each_message_is_parsed_once(tmp_path, monkeypatch):
    """A folder that grows is not read anew each time."""
    read = []
    monkeypatch.setattr(mail_folder, "messages_of", lambda content: read.append(content) or messages_of(content))
    folder = MailFolder(tmp_path)
    for number in range(3):
        (tmp_path / f"{number}.eml").write_bytes(written(str(number)).as_bytes())
        assert len(folder.messages()) == number + 1
    assert len(read) == 3


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    """A folder that is not there, a file that may not be read, too many files, too many bytes: said, with what to do."""
    with pytest.raises(CannotTell, match="mail_folder"):
        MailFolder(tmp_path / "gone").messages()
    folder = MailFolder(tmp_path)
    (tmp_path / "1.eml").write_bytes(written().as_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(mail_folder, "MOST_KEPT", 10)
        with pytest.raises(CannotTell, match="bytes of mail"):
            folder.messages()
    monkeypatch.setattr(mail_folder, "MOST_FILES", 0)
    with pytest.raises(CannotTell, match="more than 0 files"):
        MailFolder(tmp_path).messages()


def test_a_message_that_may_not_be_read(tmp_path, monkeypatch):
    """A message that cannot be opened is said; one that is gone meanwhile is none."""
    folder = MailFolder(tmp_path)
    (tmp_path / "1.eml").symlink_to(tmp_path)
    (tmp_path / "2.eml").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "3.eml")
    assert folder.messages() == []
    refused = type("Refused", (type(tmp_path),), {"open": lambda self, mode: (_ for _ in ()).throw(PermissionError(13, "no"))})
    with pytest.raises(CannotTell, match="PermissionError"):
        mail_folder._content(refused(tmp_path / "3.eml"))
    assert mail_folder._content(tmp_path / "4.eml") == b""

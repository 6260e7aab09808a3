"""Mail that goes to the wrong tenant: told from mail that is each tenant's own, and from a sink in which nothing comes."""

import base64
import dataclasses
import itertools
import json
from email.message import EmailMessage

import pytest

from capliquify_ops.isolation import mail_apart
from capliquify_ops.isolation.catalogue import controls, named
from capliquify_ops.isolation.jobs_and_exports import jobs_and_exports
from capliquify_ops.isolation.judge import judge
from capliquify_ops.isolation.mail_apart import messages_apart
from capliquify_ops.isolation.mail_folder import MailFolder
from capliquify_ops.isolation.run import _about, probes_of
from capliquify_ops.isolation.secrets_in_errors import provoked_errors
from capliquify_ops.model.finding import Level
from capliquify_ops.model.outcome import Grade, Outcome

OTHER = {"a": "b", "b": "a"}


class Mailer:
    """A service that tells by mail who was invited, with a list of rows: those of a tenant that `whose` names."""

    def __init__(self, world, folder, whose=lambda key: key, to=lambda key: ()):
        self._folder, self._whose, self._to, self._numbers = folder, whose, to, itertools.count()
        self._keys = {tenant.organization_id: key for key, tenant in world.tenants.items()}
        self._word = {
            key: next(one.token for one in world.caller.canaries if one.tenant == key and one.label.startswith("products"))
            for key in OTHER
        }

    def __call__(self, request, forward):
        answer = forward(request)
        if request.method == "POST" and request.route == "/api/invitations" and answer.status == 201:
            key = self._keys[request.organization]
            self.send([json.loads(request.body)["email"], *self._to(key)], self._word[self._whose(key)])
        return answer

    def send(self, recipients, word):
        message = EmailMessage()
        message["From"], message["To"] = "app@example.com", ", ".join(recipients)
        message["Subject"] = f"You are invited \u2013 {word}"
        message.set_content("Hello")
        message.add_attachment(base64.b64encode(word.encode()), maintype="application", subtype="octet-stream")
        (self._folder / f"{next(self._numbers)}.eml").write_bytes(message.as_bytes())


@pytest.fixture
def mailed(world, tmp_path, lie, monkeypatch):
    """The world with a mail sink, and what a part of a control finds in it when the service sends mail in some way."""
    monkeypatch.setattr(mail_apart, "SENT_WITHIN_S", 0.3)
    numbers = itertools.count()

    def found(**way):
        folder = tmp_path / f"sink {next(numbers)}"
        folder.mkdir()
        watched = dataclasses.replace(world, mail=MailFolder(folder))
        lie(Mailer(world, folder, **way) if way else None)
        return judge(probes_of(messages_apart, watched), *_about(named("sec_013_secrets_in_errors", controls()), watched, 0))

    return found


def test_mail_with_the_other_tenants_rows(mailed):
    """A message to one tenant's people that holds another's word is proof, and names the file and the subject without the word."""
    assert mailed(whose=lambda key: key).outcome is Outcome.HEALTHY
    found = mailed(whose=OTHER.get)
    assert (found.outcome, found.grade, found.escalation) == (Outcome.FAILING, Grade.PROOF, Level.L3)
    assert "the message 'You are invited \u2013 [redacted]' in 0.eml to people of " in found.why
    assert "holds another tenant's secret: products " in found.why
    assert "(plain in headers)" in found.why
    assert not any("canary" in line for line in found.witness.lines)
    assert mailed(whose=lambda key: key).outcome is Outcome.HEALTHY


def test_mail_to_people_of_both(world, mailed):
    """One message to both tenants' people is mixed where it holds content of one of them: no proof, and no pass."""
    both = {key: [world.person(f"{OTHER[key]}.owner").email] for key in OTHER}
    found = mailed(to=both.get)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.STRONG)
    assert "it is to people of several tenants and holds content of" in found.why


def test_a_sink_in_which_nothing_comes(mailed):
    """Where no message came to somebody of each tenant, that is no pass: the reason names the folder."""
    found = mailed()
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "mail_folder" in found.why


def test_addresses_that_the_other_tenant_gave(world, mailed):
    """A message to an address that the other tenant's people have sent says nothing: they asked for it."""
    email = world.person("a.member").email
    world.caller._spent.add(email)
    assert mailed(to=lambda key: [email] if key == "b" else []).outcome is Outcome.HEALTHY
    world.caller._spent.remove(email)
    assert mailed(to=lambda key: [email] if key == "b" else []).outcome is Outcome.FAILING


def test_a_sink_that_is_not_there(world, tmp_path):
    """A folder that is not there is said; without a folder nothing is looked for."""
    gone = dataclasses.replace(world, mail=MailFolder(tmp_path / "gone"))
    assert "mail_folder" in probes_of(messages_apart, gone)[-1].untried
    assert probes_of(messages_apart, world) == ()


@pytest.mark.whole
@pytest.mark.parametrize("measure", [provoked_errors, jobs_and_exports])
def test_where_mail_is_looked_through(measure, world, tmp_path, lie):
    """The control of disclosures and the family of later work look through the mail."""
    lie(Mailer(world, tmp_path, whose=OTHER.get))
    watched = dataclasses.replace(world, mail=MailFolder(tmp_path))
    assert any(probe.foreign for probe in probes_of(measure, watched))


@pytest.mark.whole
def test_the_sink_of_a_target(world_on, tmp_path):
    """A world looks through the folder that its target names."""
    with world_on(mail_folder=tmp_path) as built:
        assert built.mail.folder == tmp_path

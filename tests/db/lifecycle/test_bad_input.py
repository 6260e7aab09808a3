"""What people type wrongly, and what they find broken: each its own sentence with what to do, and nothing changes."""

import uuid
from datetime import timedelta

import pytest

from capliquify_ops.database import fill, operator
from capliquify_ops.model import names
from capliquify_ops.model.errors import OpsError, PrivilegeMissing, TenantConflict, TenantNotFound, UsageError
from capliquify_ops.tenants.activate import activate
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.delete import delete
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.purge import PurgeOptions, purge
from capliquify_ops.tenants.suspend import suspend

WHO = {"actor": "tester"}


class World:
    """Tenants in every state, and what a case does to them."""

    def __init__(self, session, roles, archives, make):
        self.session, self.roles, self.archives = session, roles, archives
        for slug in ("live", "two", "asleep", "deleted", "away", "lost", "strange"):
            setattr(self, slug, make(slug, products=0))
        make("other", products=0, organization="two")
        suspend(session, roles, "asleep", reason="x", **WHO)
        for slug in ("deleted", "away", "lost", "strange"):
            delete(session, roles, slug, confirm=slug, **WHO)
        self.purge("away")

    def purge(self, key):
        return purge(self.session, self.roles, key, PurgeOptions(self.archives), confirm=key, **WHO)

    def suspend(self, key):
        return suspend(self.session, self.roles, key, reason="x", **WHO)

    def create(self, slug, **changes):
        new = NewTenant(**{"id": uuid.uuid4(), "slug": slug, "name": "x", "organization": "org_new"} | changes)
        return create(self.session, self.roles, new, **WHO)


CASES = {
    "unknown": (lambda w: w.suspend("nobody"), TenantNotFound, r"No tenant has 'nobody'.*tenant list"),
    "ambiguous": (lambda w: w.suspend("two"), TenantConflict, r"'two' names 2 tenants.*Give the id"),
    "suspended already": (lambda w: w.suspend("asleep"), TenantConflict, r"'asleep' is suspended already.*tenant resume"),
    "deleted already": (
        lambda w: delete(w.session, w.roles, "deleted", confirm="deleted", **WHO),
        TenantConflict,
        r"'deleted' was deleted at .*tenant purge deleted",
    ),
    "quarantined": (lambda w: w.suspend("away"), TenantConflict, r"quarantined since .*quarantine_.*tenant purge away --undo"),
    "wrong status": (lambda w: activate(w.session, w.roles, "asleep", **WHO), TenantConflict, r"is suspended; activate starts from trial"),
    "quotes": (lambda w: w.create("it's"), UsageError, r"it holds \"'\" \(apostrophe\)"),
    "double quotes": (lambda w: w.create('a"; DROP'), UsageError, r"quotation mark"),
    "look-alike": (lambda w: w.create("аcme"), UsageError, r"cyrillic small letter a"),
    "full width": (lambda w: w.create("ａcme"), UsageError, r"fullwidth latin small letter a"),
    "51 characters": (lambda w: w.create("x" * 51), UsageError, r"51 characters; the limit is 50"),
    "pg_": (lambda w: w.create("pg_temp"), UsageError, r"keeps names with pg"),
    "pg-": (lambda w: w.create("pg-x"), UsageError, r"keeps names with pg"),
    "reserved word": (lambda w: w.create("select"), UsageError, r"reserved"),
    "dash at the end": (lambda w: w.create("acme-"), UsageError, r"a dash stands at its start or end"),
    "empty": (lambda w: w.create(""), UsageError, r"it is empty"),
    "not UTF-8": (lambda w: w.create("new", name="\udcff"), UsageError, r"not UTF-8"),
    "no start as suspended": (lambda w: w.create("new", status="suspended"), UsageError, r"cannot start as 'suspended'"),
    "a reason of nothing": (
        lambda w: suspend(w.session, w.roles, "live", reason=" ", **WHO), UsageError, r"needs a reason.*--reason payment_failed",
    ),
    "a reason that is not text": (
        lambda w: suspend(w.session, w.roles, "live", reason="x\0", **WHO), UsageError, r"NUL or bytes",
    ),
    "no trial at all": (lambda w: w.create("new", trial=timedelta(0)), UsageError, r"longer than nothing"),
    "schema of 64 bytes": (lambda w: w.create("new", schema_name="é" * 32), UsageError, r"1 to 63 bytes"),
    "almost a uuid": (
        lambda w: w.suspend(str(w.live.id)[:-1]), TenantNotFound, r"looks like a tenant's id and is not one",
    ),
    "a uuid of nobody": (lambda w: w.suspend(str(uuid.UUID(int=5))), TenantNotFound, r"No tenant has"),
    "key that is not text": (lambda w: w.suspend("\udcff\0"), TenantNotFound, r"No tenant has"),
    "a schema without a row": (lambda w: w.suspend("orphan"), TenantNotFound, r"'orphan' exists, but no tenant is registered"),
    "a row without its schema": (lambda w: w.purge("lost"), TenantConflict, r"does not exist: there is nothing to archive.*--no-archive"),
    "somebody else's schema": (lambda w: w.purge("strange"), PrivilegeMissing, r"is owned by .*ALTER SCHEMA"),
    "not deleted": (lambda w: w.purge("live"), TenantConflict, r"is not deleted.*tenant delete live"),
}  # fmt: skip


@pytest.fixture
def world(session, roles, archives, make, superuser_url):
    found = World(session, roles, archives, make)
    with operator(superuser_url, "test") as superuser, superuser.transaction():
        superuser.execute("CREATE SCHEMA orphan")
        superuser.execute(fill('ALTER SCHEMA :"s" OWNER TO CURRENT_USER', {"s": found.strange.schema_name}))
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('DROP SCHEMA :"s" CASCADE', {"s": found.lost.schema_name}))
    return found


def test_every_mistake_has_its_own_sentence(world, everything):
    """Each mistake is an error of its own that says what to do; registry, ledgers and catalogue are what they were."""
    before, said = everything(), []
    for name, (act, kind, sentence) in CASES.items():
        with pytest.raises(OpsError) as caught:
            act(world)
        assert type(caught.value) is kind, name
        with pytest.raises(kind, match=sentence):
            raise caught.value
        assert caught.value.hint, name
        said.append(str(caught.value))
        assert everything() == before, name
    assert len(set(said)) == len(said)


def test_the_reserved_words_are_the_servers(session):
    """What is refused as a slug is what this server calls reserved."""
    with session.transaction():
        words = session.rows("SELECT word FROM pg_get_keywords() WHERE catcode = 'R' ORDER BY 1", str)
    allowed = []
    for word in words:
        try:
            names.slug(word)
        except UsageError:
            continue
        allowed.append(word)
    assert allowed == []

"""The same verbs on PostgreSQL 15, the other tested version."""

import uuid
from pathlib import Path

from capliquify_ops.database import fill, operator
from capliquify_ops.tenants.cancel import cancel
from capliquify_ops.tenants.change_tier import change_tier
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.delete import delete
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.purge import PurgeOptions, purge, undo_purge
from capliquify_ops.tenants.registry import list_tenants
from capliquify_ops.tenants.resume import resume
from capliquify_ops.tenants.suspend import suspend

SHAPES = Path(__file__).with_name("shapes.sql").read_text(encoding="utf-8")
WHO = {"actor": "tester"}


def test_a_whole_life_on_15(database_15, tmp_path, archive_folder):
    """Created, moved through every status, quarantined, brought back, and purged with one of nearly every kind of object."""
    roles = database_15.roles
    with operator(database_15.operator_url, "test") as session:
        assert session.server_major == 15
        owner = FirstUser("user_1", "a@example.com")
        tenant = create(session, roles, NewTenant(uuid.uuid4(), "acme", "A", "org", owner=owner, company="A Ltd"), **WHO)
        change_tier(session, roles, "acme", "enterprise", **WHO)
        suspend(session, roles, "acme", reason="x", **WHO)
        assert resume(session, roles, "acme", **WHO).after.subscription_status == "trial"
        cancel(session, roles, "acme", **WHO)
        delete(session, roles, "acme", confirm="acme", **WHO)
        with session.transaction(), as_owner(session, roles):
            session.execute(fill('SET LOCAL search_path = :"s"', {"s": tenant.schema_name}))
            session.script(fill(SHAPES, {"s": tenant.schema_name}))
        options = PurgeOptions(archive_folder(tmp_path, roles))
        assert not purge(session, roles, "acme", options, confirm="acme", **WHO).is_purged
        undo_purge(session, roles, "acme", **WHO)
        options = PurgeOptions(options.archiver, now=True)
        assert purge(session, roles, "acme", options, confirm="acme", **WHO).is_purged
        with session.transaction():
            assert list_tenants(session, deleted=None) == []
            assert session.value("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^(tenant|quarantine)_'") == 0

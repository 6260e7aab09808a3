"""The same promises on PostgreSQL 15, the other tested version: install, provision, both checks 0 to 1 to 0, discard."""

import uuid

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.integrity import registry_catalogue, structure_equality
from capliquify_ops.integrity.fleet_check import check_fleet
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.discard import discard
from capliquify_ops.tenants.install import install
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.verify import verify


def test_a_fleet_lives_and_is_checked_on_15(database_15, tmp_path):
    """A tenant of 15 has its 21 constraints, the checks go green, red for a real fault, and green again."""
    profile, limits, roles = load_profile("capliquify", tmp_path), load_limits(), database_15.roles
    checks = (registry_catalogue, structure_equality)
    schemas = ("", "Ten\"ant's 😀", "x" * 63)
    with operator(database_15.operator_url, "test") as session, observer(database_15.observer_url, "test") as seen:

        def outcomes():
            arguments = {"profile": profile, "roles": roles}
            return [{finding.outcome for finding in check.run(seen, limits, SystemClock(), **arguments)} for check in checks]

        assert session.server_major == 15
        assert install(session, roles).applied == ()
        tenants = [
            create(session, roles, NewTenant(uuid.uuid4(), f"t{i}", "t", f"org_{i}", schema_name=name), actor="t", run="r")
            for i, name in enumerate(schemas)
        ]
        with session.transaction(), as_owner(session, roles):
            session.execute("UPDATE public.tenants SET created_at = now() - interval '1 day'")
            query = (
                "SELECT count(*) FROM pg_constraint WHERE connamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(name)s)"
            )
            assert session.value(query, {"name": tenants[1].schema_name}) == 21
        assert outcomes() == [{Outcome.HEALTHY}] * 2
        every = check_fleet(seen, limits, SystemClock(), profile=profile, roles=roles)
        assert {each.outcome for each in every} <= {Outcome.HEALTHY, Outcome.NOT_APPLICABLE}, [each.why for each in every]
        with session.transaction(), as_owner(session, roles):
            session.execute(fill('ALTER TABLE :"schema".sales DROP COLUMN channel', {"schema": tenants[1].schema_name}))
            session.execute("CREATE SCHEMA half_way")
        assert outcomes() == [{Outcome.FAILING}] * 2
        assert not verify(seen, roles, "t1").is_sound
        with session.transaction(), as_owner(session, roles):
            script = (
                'ALTER TABLE :"schema".sales ADD COLUMN channel text;'
                ' CREATE INDEX sales_channel_idx ON :"schema".sales (channel); DROP SCHEMA half_way'
            )
            session.script(fill(script, {"schema": tenants[1].schema_name}))
        assert outcomes() == [{Outcome.HEALTHY}] * 2
        for tenant in tenants:
            discard(session, roles, tenant.slug, run="r", actor="t")
        assert outcomes() == [{Outcome.INCONCLUSIVE}] * 2

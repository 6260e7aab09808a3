"""Every changing verb as a scenario: what it starts from, how it is run, and what has to hold however it was interrupted."""

import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from archives import Archives, content_of

from capliquify_ops.database import fill
from capliquify_ops.evidence.canonical import canonical
from capliquify_ops.model.errors import TenantConflict, TenantNotFound
from capliquify_ops.tenants.activate import activate
from capliquify_ops.tenants.archive.frames import ArchiveWriter
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.audit import audit_of
from capliquify_ops.tenants.backup import LIMITS, READING, Source, write_script
from capliquify_ops.tenants.cancel import cancel
from capliquify_ops.tenants.change_tier import change_tier
from capliquify_ops.tenants.clone import clone
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.delete import delete
from capliquify_ops.tenants.discard import discard
from capliquify_ops.tenants.expire_trials import expire_trials
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.past_due import past_due
from capliquify_ops.tenants.purge import PurgeOptions, purge, undo_purge
from capliquify_ops.tenants.quarantine import quarantined
from capliquify_ops.tenants.registry import find
from capliquify_ops.tenants.restore import restore_as_new, restore_whole
from capliquify_ops.tenants.restore_in_place import restore_in_place
from capliquify_ops.tenants.restoring import Trust
from capliquify_ops.tenants.resume import resume
from capliquify_ops.tenants.sequence import unfinished
from capliquify_ops.tenants.suspend import suspend

WHO = {"actor": "scenario"}


@dataclass
class Stage:
    """One tenant of one case: the session and roles to act with, its slug and id, and where archives go."""

    session: object
    roles: object
    slug: str
    id: uuid.UUID
    folder: Path

    @property
    def archives(self):
        return Archives(self.folder, self.roles)


def _new(stage):
    owner = FirstUser(f"user_{stage.slug}", "a@example.com")
    return NewTenant(stage.id, stage.slug, "A", f"org_{stage.slug}", owner=owner, company="A Ltd")


def _create(stage):
    return create(stage.session, stage.roles, _new(stage), run="case", **WHO)


def _made(stage):
    """A tenant with rows, from which nearly everything starts."""
    tenant = _create(stage)
    with stage.session.transaction(), as_owner(stage.session, stage.roles):
        query = 'INSERT INTO :"s".products (company_id, sku, name) SELECT c.id, i::text, i::text FROM :"s".companies AS c, pg_catalog.generate_series(1, 3) AS i'
        stage.session.execute(fill(query, {"s": tenant.schema_name}))


def _after(*steps):
    def prepare(stage):
        _made(stage)
        for step in steps:
            step(stage)

    return prepare


def _expired(stage):
    with stage.session.transaction(), as_owner(stage.session, stage.roles):
        query = "UPDATE public.tenants SET trial_ends_at = now() - interval '1 hour' WHERE id = %(id)s"
        stage.session.execute(query, {"id": stage.id})


def _activate(stage):
    return activate(stage.session, stage.roles, stage.slug, **WHO)


def _suspend(stage):
    return suspend(stage.session, stage.roles, stage.slug, reason="x", **WHO)


def _delete(stage):
    return delete(stage.session, stage.roles, stage.slug, confirm=stage.slug, **WHO)


def _purge(*, now):
    def run(stage):
        return purge(stage.session, stage.roles, stage.slug, PurgeOptions(stage.archives, now=now), confirm=stage.slug, **WHO)

    return run


def _archived(stage):
    """A tenant with an archive of it."""
    _made(stage)
    session = stage.session
    with session.transaction():
        tenant = find(session, stage.slug)
    with _archive_file(stage).open("wb") as file:
        archive = ArchiveWriter(file)
        with session.snapshot(LIMITS, read_only=False, settings=READING), as_owner(session, stage.roles):
            manifest = write_script(session, Source(tenant.schema_name, tenant), archive, tool="scenario")
        archive.close(canonical(manifest))


def _archive_file(stage):
    return stage.folder / f"{stage.slug}.sql.zst"


def _after_archive(step):
    def prepare(stage):
        _archived(stage)
        step(stage)

    return prepare


def _discard(stage):
    return discard(stage.session, stage.roles, stage.slug, run="case", **WHO)


def _source(stage):
    """Another tenant, which the stage's becomes a copy of."""
    return replace(stage, slug=f"{stage.slug}-source", id=uuid.uuid5(stage.id, "source"))


def _copy(stage):
    return NewTenant(stage.id, stage.slug, "A", f"org_{stage.slug}", status="active")


def _clone(stage):
    return clone(stage.session, stage.roles, _source(stage).slug, _copy(stage), **WHO)


def _restore(stage, restore, *what, of=None, **how):
    with stage.session.transaction():
        if any(row.verb == "tenant restore" for row in audit_of(stage.session, stage.id)):
            raise TenantConflict("This restore has happened.")
    with open_archive(_archive_file(of or stage)) as archive:
        return restore(stage.session, stage.roles, archive, *what, Trust("scenario", is_given=True), **how)


def _in_place(stage):
    return _restore(stage, restore_in_place, stage.slug, unique=1, now=datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Scenario:
    """`status` is the registry's in the end ("" for a tenant that is gone), `audited` how many rows the verb writes."""

    name: str
    prepare: Callable
    run: Callable
    status: str
    audited: int = 1

    @property
    def verb(self) -> str:
        """The verb as the audit has it."""
        return f"tenant {self.name.split(' ')[0]}"


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("create", lambda stage: None, _create, "trial"),
        Scenario("activate", _after(), _activate, "active"),
        Scenario("past-due", _after(_activate), lambda s: past_due(s.session, s.roles, s.slug, **WHO), "past_due"),
        Scenario("change-tier", _after(), lambda s: change_tier(s.session, s.roles, s.slug, "enterprise", **WHO), "trial"),
        Scenario("suspend", _after(), _suspend, "suspended"),
        Scenario("resume", _after(_suspend), lambda s: resume(s.session, s.roles, s.slug, **WHO), "trial"),
        Scenario("cancel", _after(), lambda s: cancel(s.session, s.roles, s.slug, **WHO), "cancelled"),
        Scenario("expire-trials", _after(_expired), lambda s: expire_trials(s.session, s.roles, **WHO), "suspended"),
        Scenario("delete", _after(), _delete, "cancelled"),
        Scenario("discard", _after(), _discard, ""),
        Scenario("clone", lambda s: _made(_source(s)), _clone, "active"),
        Scenario("restore whole", _after_archive(_discard), lambda s: _restore(s, restore_whole), "trial"),
        Scenario(
            "restore --as",
            lambda s: _archived(_source(s)),
            lambda s: _restore(s, restore_as_new, _copy(s), of=_source(s)),
            "active",
        ),
        Scenario("restore --in-place", _archived, _in_place, "trial"),
        Scenario("purge until it waits", _after(_delete), _purge(now=False), "cancelled"),
        Scenario("purge --now", _after(_delete), _purge(now=True), "", 3),
        Scenario(
            "purge --undo",
            _after(_delete, _purge(now=False)),
            lambda s: undo_purge(s.session, s.roles, s.slug, **WHO),
            "cancelled",
            2,
        ),
    )
}


def content(stage):
    """What the tenant's schema holds, wherever it stands; None without one."""
    session = stage.session
    with session.transaction():
        try:
            names = [find(session, str(stage.id)).schema_name, *(each.schema_name for each in quarantined(session, stage.id))]
        except TenantNotFound:
            return None
        for name in names:
            if session.value("SELECT count(*) FROM pg_namespace WHERE nspname = %(name)s", {"name": name}):
                return content_of(session, stage.roles, name)
    return None


_WRONG = {
    "a registered tenant has no schema": """
        SELECT t.slug FROM public.tenants t WHERE NOT EXISTS (SELECT 1 FROM pg_namespace n WHERE n.nspname = t.schema_name)
        AND NOT EXISTS (SELECT 1 FROM capliquify_ops.quarantine q WHERE q.tenant_id = t.id AND q.reason = 'purge')
        AND NOT EXISTS (SELECT 1 FROM capliquify_ops.sequence s WHERE s.tenant_id = t.id AND s.finished_at IS NULL
                        AND s.steps[s.next_step + 1] IN ('drop', 'rows'))""",
    "a schema of a tenant has no row": """
        SELECT n.nspname FROM pg_namespace n JOIN pg_description d ON d.objoid = n.oid AND d.classoid = 'pg_namespace'::regclass
        WHERE d.description LIKE 'tenant %%'
        AND NOT EXISTS (SELECT 1 FROM public.tenants t WHERE 'tenant ' || t.id = d.description)""",
    "a tenant has two schemas": """
        SELECT d.description FROM pg_description d JOIN pg_namespace n ON n.oid = d.objoid AND n.nspname !~ '^quarantine_'
        WHERE d.classoid = 'pg_namespace'::regclass AND d.description LIKE 'tenant %%' GROUP BY 1 HAVING count(*) > 1""",
    "a quarantined schema is not written down": """
        SELECT n.nspname FROM pg_namespace n WHERE n.nspname ~ '^quarantine_'
        AND NOT EXISTS (SELECT 1 FROM capliquify_ops.quarantine q WHERE q.schema_name = n.nspname)""",
    "a quarantine without a schema": """
        SELECT q.schema_name FROM capliquify_ops.quarantine q
        WHERE NOT EXISTS (SELECT 1 FROM pg_namespace n WHERE n.nspname = q.schema_name)""",
    "the audit does not know the status": """
        SELECT t.slug FROM public.tenants t WHERE t.subscription_status::text IS DISTINCT FROM
        (SELECT a.after ->> 'subscription_status' FROM capliquify_ops.audit a WHERE a.tenant_id = t.id
         AND a.after ? 'subscription_status' ORDER BY a.id DESC LIMIT 1)""",
    "a tenant is gone and nobody buried it": """
        SELECT DISTINCT a.slug FROM capliquify_ops.audit a WHERE a.tenant_id = %(id)s AND NOT EXISTS (SELECT 1 FROM public.tenants t WHERE t.id = a.tenant_id)
        AND NOT EXISTS (SELECT 1 FROM capliquify_ops.audit b WHERE b.tenant_id = a.tenant_id
                        AND (b.verb = 'tenant discard' OR b.after ->> 'step' = 'tombstone'))""",
}


def wrong(stage, before):
    """What is wrong in the whole database, and whether the tenant's rows are there or in a verified archive."""
    session = stage.session
    with session.transaction():
        found = [f"{what}: {name}" for what, query in _WRONG.items() for name in session.rows(query, str, {"id": stage.id})]
        standing = unfinished(session, stage.id)
        is_gone = session.value("SELECT NOT EXISTS (SELECT 1 FROM public.tenants WHERE id = %(id)s)", {"id": stage.id})
        trail = audit_of(session, stage.id)
    if before is None or any(row.verb == "tenant discard" for row in trail):
        return found
    is_dropping = is_gone or (standing is not None and not standing.detail.get("can_undo", True))
    kept = [json.loads(path.read_text()) for path in stage.folder.glob(f"quarantine_{stage.id.hex}_*.json")]
    if not is_dropping and content(stage) != before:
        found.append("rows are lost")
    if is_dropping and before not in kept:
        found.append("rows are dropped that no archive holds")
    return found


def settle(scenario, stage, *, undo):
    """Run the verb again, or go back where that is still possible; return how it ended."""
    session = stage.session
    with session.transaction():
        standing = unfinished(session, stage.id)
    if standing is not None:
        try:
            _activate(stage)
        except TenantConflict as refusal:
            assert "unfinished" in str(refusal) or "quarantined" in str(refusal)
            assert "tenant purge" in str(refusal)
        else:
            raise AssertionError("another verb went on over an unfinished sequence")
        if undo and standing.detail.get("can_undo"):
            undo_purge(session, stage.roles, stage.slug, **WHO)
            return "undone"
    try:
        scenario.run(stage)
    except (TenantConflict, TenantNotFound):
        return "had happened"
    return "finished"


def settled(scenario, stage, before, how):
    """What is not as it should be once the verb has been finished or undone."""
    found = wrong(stage, before)
    with stage.session.transaction():
        rows = stage.session.rows("SELECT subscription_status::text FROM public.tenants WHERE id = %(id)s", str, {"id": stage.id})
        audited = sum(row.verb == scenario.verb for row in audit_of(stage.session, stage.id))
        standing = unfinished(stage.session, stage.id)
    status = "cancelled" if how == "undone" else scenario.status
    if rows != ([status] if status else []):
        found.append(f"the registry says {rows}, not {status!r}")
    if how != "undone" and audited != scenario.audited:
        found.append(f"{audited} audit rows of the verb instead of {scenario.audited}")
    if how == "undone" and standing:
        found.append("the undone sequence still stands")
    return found


def clear(stage):
    """Remove what is left of the case, so that the next one has the database to itself."""
    session = stage.session
    with session.transaction(), as_owner(session, stage.roles):
        for name in session.rows("SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^(tenant|quarantine)_'", str):
            session.execute(fill('DROP SCHEMA :"s" CASCADE', {"s": name}))
        session.execute("DELETE FROM capliquify_ops.quarantine")
        session.execute("DELETE FROM capliquify_ops.sequence")
        session.execute("DELETE FROM public.tenants")

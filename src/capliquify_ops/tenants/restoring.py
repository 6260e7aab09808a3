"""What every way to restore shares: who may, what is refused before anything is written, and how a copy gets its own name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.database import Session, fill
from capliquify_ops.model.errors import ArchiveRefused, PrivilegeMissing, TenantConflict
from capliquify_ops.model.finding import Scalar
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.tenants.archive.fitness import refuse_unfit
from capliquify_ops.tenants.archive.loading import load_archive
from capliquify_ops.tenants.archive.opening import Archive
from capliquify_ops.tenants.audit import AUDIT_STEP, Facts, facts_of
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.renaming import rename_schema

_KNOWN = (
    "SELECT EXISTS (SELECT 1 FROM capliquify_ops.audit AS a WHERE a.after ->> 'sha256' = %(sha256)s"
    " AND a.verb IN ('tenant backup', 'fleet backup', 'tenant purge'))"
)
_SCHEMA_EXISTS = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %(schema)s)"
_SUPERUSER = "SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = session_user"
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: under which schema, how many rows and tables were compared with the manifest, and what was put away."""

    tenant: Tenant | None
    schema: str
    tables: int
    rows: int
    quarantined: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """Who asks, and whether an archive is believed whose digest this database's audit does not know."""

    actor: str
    is_given: bool = False


def plan_restore(archive: Archive, how: str, subject: str, steps: tuple[Step, ...], *, destructive: bool = False) -> Plan:
    """Return what a restore will do, from the manifest alone; its statements are the archive's script: zstd -dc FILE."""
    manifest = archive.manifest
    concerns: Mapping[str, Scalar] = MappingProxyType(
        {
            "archive": archive.sha256,
            "taken_at": manifest.origin.taken_at,
            "schema": manifest.schema,
            "tables": len(manifest.tables),
            "rows": manifest.rows,
            "bytes": sum(section.bytes for section in manifest.sections),
        }
    )
    left_out = tuple(f"Not in the archive: {name}." for name in manifest.left_out)
    return Plan(f"tenant {how}", subject, (*steps, AUDIT_STEP), concerns, left_out, destructive)


def require_restorable(session: Session, archive: Archive, trust: Trust) -> None:
    """Refuse, before anything is written: a superuser, an unfit server, an archive that nobody vouches for."""
    if session.value(_SUPERUSER):
        message = "Restoring runs the archive's SQL, and this session is a superuser's."
        raise PrivilegeMissing(message, hint="Give the target an operator_url of a role that may become the owner and no more.")
    refuse_unfit(session, archive.manifest)
    if not trust.is_given and not session.value(_KNOWN, {"sha256": archive.sha256}):
        raise ArchiveRefused(
            f"The audit of this database does not know an archive with the SHA-256 {archive.sha256}.",
            hint="Restoring runs its SQL as the owner: compare the digest with your own records, then add --trust.",
        )


def require_absent(session: Session, schema: str) -> None:
    if session.value(_SCHEMA_EXISTS, {"schema": schema}):
        message = f"The schema {schema} exists: nothing is restored over it."
        raise TenantConflict(message, hint="In place of the live tenant: --in-place; beside it: --as SLUG")


def step_aside(session: Session, archive: Archive) -> str:
    """Free the archive's schema name within this transaction, unseen by others; return the live schema's name meanwhile."""
    own = archive.manifest.schema
    if not session.value(_SCHEMA_EXISTS, {"schema": own}):
        return ""
    aside = f"restoring_{archive.sha256[:32]}"
    session.execute(fill('ALTER SCHEMA :"old" RENAME TO :"new"', {"old": own, "new": aside}))
    return aside


def load_as(session: Session, archive: Archive, name: str, progress: Progress) -> None:
    """Load an archive under another name, beside a live schema of its own name."""
    own, aside = archive.manifest.schema, step_aside(session, archive)
    load_archive(session, archive, shared=False, progress=progress)
    rename_schema(session, own, name)
    if aside:
        session.execute(fill('ALTER SCHEMA :"old" RENAME TO :"new"', {"old": aside, "new": own}))


def own_schema(session: Session, tenant: Tenant) -> None:
    """Say in a schema's comment whose it is: nothing drops one that does not say so."""
    names = {"schema": tenant.schema_name, "text": f"tenant {tenant.id}"}
    session.execute(fill("COMMENT ON SCHEMA :\"schema\" IS :'text'", names))


def refuse_named(schema: str, routines: tuple[str, ...]) -> None:
    """Refuse routines whose text names the schema: under another name they would read and write the original."""
    if routines:
        named = "; ".join(routines[:10])
        message = f"Routines name the schema {schema} in their text, and would go on using it from a copy: {named}."
        raise TenantConflict(message, hint="Let them use search_path instead, or restore in place.")


def facts(archive: Archive, tenant: Tenant) -> Facts:
    """Return what an audit keeps of a restore."""
    return {**facts_of(tenant), "sha256": archive.sha256, "path": str(archive.path), "rows": archive.manifest.rows}

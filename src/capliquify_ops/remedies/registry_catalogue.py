"""Repairs of registry_catalogue: a missing schema is provisioned, an orphan is archived and put away; pure.

An empty schema in place of a lost one would look like a repair and hide the loss. So whatever hints at rows that were there,
a backup, a quarantine, a schema under another name, needs a person.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from capliquify_ops.database import quoted
from capliquify_ops.integrity.registry_catalogue import CHECK
from capliquify_ops.integrity.registry_disagreements import LOOKS, Disagreement, Registered, RegistryRows, is_missing
from capliquify_ops.remedies.repair_plan import Fact, Manner, Stage, Step, for_person

RANK = 0
PROVISION = "function:public.create_tenant_schema"
"""What a profile says of a deployment whose schemas the product's own function makes."""
_WHYS = {
    "shared_schema": "Two tenants read and write the same rows: whose they are must be found out row by row.",
    "colliding_names": "One of the names has to change, and whatever connects with it.",
    "wrong_owner": "Why somebody else owns it is not known here.",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What our ledgers and the schemas' comments say. `has_ledgers`: the role sees them at all.

    `remembered` are tenants' ids with what stands in the way of an empty schema; `says` is whose an unregistered schema says it
    is. `provision` is the profile's, `templates` are schemas that new ones are compared with; `is_archived` says that there is a
    folder for archives.
    """

    has_ledgers: bool
    remembered: Mapping[str, str]
    says: Mapping[str, str]
    provision: str
    is_archived: bool
    templates: frozenset[str] = frozenset()


def missing_tenants(rows: RegistryRows, grace: float) -> list[Registered]:
    """Return the tenants whose schema should be there, in the order of the registry. `grace` in seconds, as in the check."""
    return [tenant for tenant in rows.tenants if is_missing(tenant) and tenant.age_s >= grace]


def steps(rows: RegistryRows, grace: float, known: Known) -> tuple[Step, ...]:
    """Return a step for each schema that the check names. `grace` in seconds, as in the check."""
    return tuple(step for look in LOOKS for found in look(rows, grace) for step in _steps(found, rows, grace, known))


def _steps(found: Disagreement, rows: RegistryRows, grace: float, known: Known) -> Iterator[Step]:
    if found.name == "missing_schema":
        sharing = Counter(tenant.schema_name for tenant in rows.tenants)
        for tenant in missing_tenants(rows, grace):
            yield _provided(
                Fact(CHECK, found.name, "", tenant.schema_name), tenant, known, is_shared=sharing[tenant.schema_name] > 1
            )
    elif found.name == "orphan_schema":
        registered = {tenant.id for tenant in rows.tenants}
        schemas = {schema.name: schema for schema in rows.unregistered}
        for name in found.schemas:
            schema = schemas[name]
            is_ours = schema.owner == rows.owner and schema.tenant_tables > 0
            yield _put_away(Fact(CHECK, found.name, "", name), known, registered, is_ours=is_ours, is_empty=schema.objects == 0)
    else:
        for name in dict.fromkeys(found.schemas):
            fact = Fact(CHECK, found.name, "", name)
            advice = f"ALTER SCHEMA {quoted(name)} OWNER TO {quoted(rows.owner)}" if found.name == "wrong_owner" else ""
            yield for_person(fact, _WHYS.get(found.name, "What is right is not known here."), advice)


def _provided(fact: Fact, tenant: Registered, known: Known, *, is_shared: bool) -> Step:
    elsewhere = [name for name, whose in known.says.items() if whose == tenant.id]
    if known.provision != PROVISION:
        return for_person(fact, "The profile does not say that this product's own function makes schemas: make it as you do.")
    if not fact.schema or is_shared:
        return for_person(fact, "More than one tenant names it, or it has no name.")
    if not known.has_ledgers:
        return for_person(
            fact, "Our ledgers cannot be read, so nobody knows whether there were rows.", "SELECT on capliquify_ops"
        )
    if elsewhere:
        advice = f"ALTER SCHEMA {quoted(elsewhere[0])} RENAME TO {quoted(fact.schema)}"
        return for_person(fact, f"The schema {elsewhere[0]!r} says that it is this tenant's.", advice)
    if why := known.remembered.get(tenant.id):
        return for_person(
            fact, f"{why} An empty schema would hide that rows are missing.", "capliquify-ops tenant restore ARCHIVE"
        )
    statement = f"SELECT public.create_tenant_schema('{tenant.id}')"
    return Step(fact, (Stage((statement,)),), Manner.PROVISION, "nothing that is in use", order=(RANK, 0))


def _put_away(fact: Fact, known: Known, registered: set[str], *, is_ours: bool, is_empty: bool) -> Step:
    drop = f"DROP SCHEMA {quoted(fact.schema)} RESTRICT"
    says = known.says.get(fact.schema)
    if is_empty:
        return for_person(fact, "It is empty: provisioning stopped half-way, or is under way.", drop)
    if fact.schema in known.templates:
        return for_person(fact, "It is the template: name it in the profile's registry.shared_schemas.")
    if not is_ours:
        return for_person(fact, "Another role owns it, and may need it.")
    if says in registered:
        return for_person(fact, f"It says that it is of the tenant {says}, who is registered with another schema.")
    if not known.is_archived:
        return for_person(fact, "It may hold rows, and there is no folder to archive it in: give --archive-dir.")
    rename = f"ALTER SCHEMA {quoted(fact.schema)} RENAME TO quarantine_..."
    locks = "every table in it (ACCESS EXCLUSIVE) while it is archived"
    return Step(fact, (Stage((rename,)),), Manner.PUT_AWAY, locks, order=(RANK, 0))

"""Is a name of a tenant's schema a shared schema's too? Then a tenant that lacks it reads what is shared, without an error.

Shared are `public`, the registry's schema, and the profile's `shared_schemas`. What the profile lists in `shared_tables` and in
`tenant_tables` is in both on purpose.
"""

from types import MappingProxyType

from capliquify_ops.configuration import Profile
from capliquify_ops.integrity.faults import Question, Rule
from capliquify_ops.model.finding import SubjectKind
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Severity
from capliquify_ops.model.roles import Roles

CHECK = check_id("shadowed_objects")
LEDGERS = (
    "__diesel_schema_migrations",
    "__drizzle_migrations",
    "__EFMigrationsHistory",
    "_prisma_migrations",
    "_sqlx_migrations",
    "_yoyo_log",
    "_yoyo_migration",
    "_yoyo_version",
    "alembic_version",
    "ar_internal_metadata",
    "databasechangelog",
    "databasechangeloglock",
    "django_migrations",
    "doctrine_migration_versions",
    "flyway_schema_history",
    "goose_db_version",
    "knex_migrations",
    "knex_migrations_lock",
    "migrations",
    "mikro_orm_migrations",
    "phinxlog",
    "pgmigrations",
    "schema_migrations",
    "SequelizeMeta",
    "yoyo_lock",
)
"""Tables in which migration tools keep what they did: one in every schema that they migrate, the shared one included."""
RULES = MappingProxyType(
    {
        "fall-through": Rule(
            Severity.CRITICAL,
            "{object} is missing in {where}, and {detail} answers in its place: requests read and write what is shared,"
            " without an error. Stop them, then make it anew.",
        ),
        "covered shared table": Rule(
            Severity.HIGH,
            "A {object} in {where} hides the shared {detail}: what is written there is missed everywhere else. Move its rows,"
            " then drop it.",
        ),
        "extension": Rule(
            Severity.HIGH,
            "The extension {object} stands in {where}: DROP SCHEMA takes it from all tenants, with their columns of its types."
            " ALTER EXTENSION … SET SCHEMA.",
            subject=SubjectKind.DATABASE,
        ),
        "relation in both": Rule(
            Severity.MEDIUM,
            "{object} stands in {where} and as {detail}: a tenant that loses it would read that one, without an error."
            " Drop one of them, or list it in the profile's shared_tables and tenant_tables.",
        ),
        "function in both": Rule(
            Severity.MEDIUM,
            "{object} of {where} hides {detail}, and does something else: what is called depends on the search_path. Drop one.",
        ),
        "type in both": Rule(
            Severity.MEDIUM,
            "The type {object} of {where} hides {detail}, and is another type: casts fail, or not, by the search_path. Drop one.",
        ),
    }
)


def _given(profile: Profile, _roles: Roles) -> dict[str, object]:
    return {
        "shared_schemas": list(profile.registry.shared_schemas),
        "shared_tables": list(profile.shared_tables),
        "tenant_tables": list(profile.tenant_tables),
        "ledgers": list(LEDGERS),
    }


_QUESTION = Question(
    CHECK,
    ("shadowed_objects",),
    RULES,
    "No name in the schemas of the {tenants} tenants is a shared one too, unless it is declared, and no tenant lacks what would"
    " then be read from there.",
    _given,
)
measure = _QUESTION.measure
judge = _QUESTION.judge
run = _QUESTION.run

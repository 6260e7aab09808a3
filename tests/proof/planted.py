"""Faults to plant in a fleet, of every group of checks, each with what the checks must then say of it, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OWNER, SUPERUSER = "owner", "superuser"


@dataclass(frozen=True)
class Fault:
    """One fault of tenant b: statements with `{n}`, a number of its own, and the finding that each check makes of it.

    A check in `both` names tenant a too, one in `elsewhere` what stands there instead. `outside` faults are nobody's: their
    findings have no tenants. `{db}` in a finding is the database. Behind one that `is_last` the owner can plant nothing there.
    """

    make: str
    expected: Mapping[str, str]
    by: str = OWNER
    both: frozenset[str] = field(default_factory=frozenset)
    outside: bool = False
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    since: int = 14
    is_last: bool = False


def _structure(subject, **more):
    return {"structure_equality": subject, **more}


CROSS = frozenset({"cross_references"})
REGISTRY = "registry_catalogue"
FAULTS = (
    # The registry and the catalogue.
    Fault(
        'CREATE SCHEMA orphan{n} AUTHORIZATION :"owner"; CREATE TABLE orphan{n}.products (id int)',
        {REGISTRY: "orphan_schema"},
        by=SUPERUSER,
        elsewhere={REGISTRY: "orphan{n}"},
    ),
    Fault(
        "INSERT INTO public.tenants SELECT (pg_catalog.jsonb_populate_record(t, pg_catalog.jsonb_build_object('id',"
        " pg_catalog.gen_random_uuid(), 'slug', 'ghost{n}', 'schema_name', 'ghost{n}', 'clerk_organization_id', 'org_ghost{n}'))).*"
        " FROM public.tenants AS t LIMIT 1",
        {REGISTRY: "missing_schema", "structure_equality": "{db}"},
        by=SUPERUSER,
        elsewhere={REGISTRY: "ghost{n}", "structure_equality": ""},
    ),
    Fault('ALTER SCHEMA :"b" OWNER TO :"operator"', {REGISTRY: "wrong_owner"}, by=SUPERUSER, is_last=True),
    # Structure: something is missing, there too much, or another.
    Fault('ALTER TABLE :"b".products ADD extra{n} int', _structure("column products.extra{n}")),
    Fault('CREATE TABLE :"b".extra{n} (id int)', _structure("table extra{n}")),
    Fault(
        'CREATE INDEX extra{n}_idx ON :"b".sales (channel, customer, sold_on) WHERE quantity > {n}',
        _structure("index extra{n}_idx"),
    ),
    Fault('ALTER TABLE :"b".sales ADD CONSTRAINT extra{n} CHECK (quantity > -{n})', _structure("constraint sales.extra{n}")),
    Fault("CREATE TYPE :\"b\".mood{n} AS ENUM ('x')", _structure("type mood{n}")),
    Fault('CREATE VIEW :"b".own{n} AS SELECT sku FROM :"b".products', _structure("view own{n}")),
    # References into another tenant.
    Fault(
        'CREATE VIEW :"b".seen{n} AS SELECT p.sku FROM :"a".products AS p',
        _structure("view seen{n}", cross_references="view seen{n}"),
        both=CROSS,
    ),
    Fault(
        'CREATE TABLE :"b".far{n} (c uuid CONSTRAINT far{n}_fk REFERENCES :"a".companies)',
        _structure("table far{n}", cross_references="foreign key far{n}.far{n}_fk"),
        both=CROSS,
    ),
    Fault('CREATE VIEW public.peek{n} AS SELECT sku FROM :"b".products', {"cross_references": "view peek{n}"}),
    # Unfinished objects.
    Fault(
        'CREATE INDEX again{n} ON :"b".sales (channel)',
        _structure("index again{n}", unfinished_objects="duplicate index sales.again{n}"),
    ),
    Fault(
        'ALTER TABLE :"b".sales ADD CONSTRAINT cheap{n} CHECK (quantity <> {n}) NOT VALID',
        _structure("constraint sales.cheap{n}", unfinished_objects="unvalidated constraint sales.cheap{n}"),
    ),
    Fault(
        'CREATE TABLE :"b".t{n} (id int); CREATE INDEX bad{n} ON :"b".t{n} (id);'
        " UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = ':\"b\".bad{n}'::pg_catalog.regclass",
        _structure("table t{n}", unfinished_objects="invalid index t{n}.bad{n}"),
        by=SUPERUSER,
    ),
    Fault(
        'ALTER TABLE :"b".sales ADD CONSTRAINT said{n} CHECK (quantity <> {n}) NOT ENFORCED',
        _structure("constraint sales.said{n}", unfinished_objects="unenforced constraint sales.said{n}"),
        since=18,
    ),
    Fault(
        'CREATE TRIGGER kept{n} BEFORE UPDATE ON :"b".products FOR EACH ROW'
        ' EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger(); ALTER TABLE :"b".products DISABLE TRIGGER kept{n}',
        _structure("trigger products.kept{n}", unfinished_objects="disabled trigger products.kept{n}"),
    ),
    # Names that stand in both schemas of a path.
    Fault(
        'CREATE TABLE public.notes{n} (id int); CREATE TABLE :"b".notes{n} (id int)',
        _structure("table notes{n}", shadowed_objects="relation in both notes{n}"),
    ),
    Fault(
        "CREATE TYPE public.state{n} AS ENUM ('a'); CREATE TYPE :\"b\".state{n} AS ENUM ('a', 'b')",
        _structure("type state{n}", shadowed_objects="type in both state{n}"),
    ),
    # Rights.
    Fault(
        'CREATE TABLE :"b".open{n} (id int); GRANT SELECT ON :"b".open{n} TO PUBLIC',
        _structure("table open{n}", access_rights="open relation open{n}"),
    ),
    Fault(
        'DROP ROLE IF EXISTS proof_bi{n}; CREATE ROLE proof_bi{n}; GRANT USAGE ON SCHEMA :"a", :"b" TO proof_bi{n}',
        {"access_rights": "foreign role proof_bi{n}"},
        by=SUPERUSER,
        both=frozenset({"access_rights"}),
    ),
    Fault(
        'CREATE TABLE public.plain{n} (tenant_id uuid); GRANT SELECT ON public.plain{n} TO :"app"',
        {"access_rights": "row security off public.plain{n}"},
        outside=True,
    ),
    # Sequences.
    Fault(
        'CREATE SEQUENCE :"b".full{n} MAXVALUE 100 START 99; GRANT SELECT ON SEQUENCE :"b".full{n} TO :"observer";'
        " SELECT pg_catalog.nextval(':\"b\".full{n}')",
        _structure("sequence full{n}", sequence_health="sequence used up full{n}"),
    ),
    # Functions.
    Fault(
        "CREATE FUNCTION :\"b\".mighty{n}() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
        ' REVOKE ALL ON FUNCTION :"b".mighty{n}() FROM PUBLIC',
        _structure("routine mighty{n}()", function_safety="unpinned definer mighty{n}()"),
    ),
    Fault(
        'CREATE FUNCTION :"b".never{n}(sku text) RETURNS void LANGUAGE plpgsql'
        " AS $f$BEGIN DELETE FROM products WHERE sku = $1; END$f$",
        _structure("routine never{n}(sku text)", function_safety="function that cannot run never{n}(sku text)"),
    ),
    # Settings.
    Fault(
        'DROP ROLE IF EXISTS proof_set{n}; CREATE ROLE proof_set{n} LOGIN; GRANT :"app" TO proof_set{n};'
        ' ALTER ROLE proof_set{n} SET search_path = :"b"',
        {"identifier_safety": "search_path of the role proof_set{n}"},
        by=SUPERUSER,
    ),
)

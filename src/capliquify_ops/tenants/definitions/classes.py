"""The catalogue's classes by OID: fixed by PostgreSQL's source, so that no statement has to look their names up row by row."""

from collections.abc import Iterable

from capliquify_ops.tenants.definitions.rows import Key

_NAMES = {
    826: "pg_default_acl",
    1247: "pg_type",
    1255: "pg_proc",
    1259: "pg_class",
    2604: "pg_attrdef",
    2606: "pg_constraint",
    2607: "pg_conversion",
    2615: "pg_namespace",
    2616: "pg_opclass",
    2617: "pg_operator",
    2618: "pg_rewrite",
    2620: "pg_trigger",
    2753: "pg_opfamily",
    3079: "pg_extension",
    3256: "pg_policy",
    3381: "pg_statistic_ext",
    3456: "pg_collation",
    3600: "pg_ts_dict",
    3601: "pg_ts_parser",
    3602: "pg_ts_config",
    3764: "pg_ts_template",
    6104: "pg_publication",
    6106: "pg_publication_rel",
    6237: "pg_publication_namespace",
}
_OIDS = {name: oid for oid, name in _NAMES.items()}


def class_name(oid: int) -> str:
    """Return the name of a class; of one that is not listed here, its OID."""
    return _NAMES.get(oid) or str(oid)


def asked(keys: Iterable[Key]) -> dict[str, str]:
    """Return objects as the parameters `classes` and `objects` of a statement."""
    found = sorted(keys)
    return {"classes": array(_OIDS.get(name) or int(name) for name, _ in found), "objects": array(oid for _, oid in found)}


def array(oids: Iterable[int]) -> str:
    """Return OIDs as the text of an array: the driver looks at each element of a list."""
    return f"{{{','.join(map(str, oids))}}}"

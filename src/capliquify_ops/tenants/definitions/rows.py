"""Rows of the catalogue as the reader's statements return them: one class a statement, columns in their order."""

from typing import NamedTuple

Key = tuple[str, int]
"""One object of the catalogue: the name of its class and its OID."""
Strings = list[str] | None


class EdgeRow(NamedTuple):
    """One dependency as the catalogue has it, classes by OID."""

    class_: int
    object: int
    on_class: int
    on_object: int
    kind: str


class Edge(NamedTuple):
    """One dependency: `key` depends on `on`; `kind` is pg_depend.deptype."""

    key: Key
    on: Key
    kind: str


class SchemaRow(NamedTuple):
    """The schema; `default_acls` are JSON arrays of role, kind of object and access list."""

    oid: int
    name: str
    owner: str
    acl: Strings
    default_acls: list[str]


class Relation(NamedTuple):
    """A table, view, materialised view, sequence or what else pg_class keeps; `kind` is its relkind."""

    oid: int
    name: str
    kind: str
    owner: str
    acl: Strings
    persistence: str
    access_method: str | None
    tablespace: str | None
    options: Strings
    toast_options: Strings
    partition_key: str | None
    bound: str | None
    of_type: str | None
    query: str | None
    row_security: bool
    force_row_security: bool
    replica_identity: str
    is_populated: bool
    parents: list[str]
    parent_oids: list[int]


class Column(NamedTuple):
    """A column; `number` is its attnum, `collation` None where it is the type's own."""

    relation: int
    number: int
    name: str
    type: str
    collation: str | None
    not_null: bool
    identity: str
    generated: str
    default_value: str | None
    default_oid: int | None
    is_local: bool
    storage: str | None
    compression: str
    statistics: int
    options: Strings
    foreign_options: Strings
    acl: Strings
    is_pseudo: bool


class Constraint(NamedTuple):
    """A constraint of a table or a domain; `kind` is its contype, 0 stands for no OID."""

    oid: int
    relation: int
    domain: int
    name: str
    kind: str
    definition: str
    index_oid: int
    is_local: bool
    no_inherit: bool
    is_validated: bool
    parent: int
    first_column: int


class Index(NamedTuple):
    """An index; `statistics` are "column target" for columns with a target of their own."""

    oid: int
    relation: int
    name: str
    definition: str
    is_valid: bool
    is_clustered: bool
    is_identity: bool
    options: Strings
    tablespace: str | None
    parent: str | None
    statistics: list[str]


class Attached(NamedTuple):
    """A trigger, rule or policy; `definition` is None for a trigger's copy on a partition, `state` is its xxxenabled."""

    class_: str
    oid: int
    relation: int
    name: str
    definition: str | None
    state: str
    roles: list[str]


class Type(NamedTuple):
    """An enum, domain, range or composite type; `kind` is its typtype."""

    oid: int
    name: str
    kind: str
    owner: str
    acl: Strings
    relation: int
    labels: list[str]
    base: str | None
    not_null: bool
    default_value: str | None
    collation: str | None
    subtype: str | None
    multirange: str | None
    operator_class: str | None
    range_collation: str | None
    subtype_diff: str | None
    has_canonical: bool


class Routine(NamedTuple):
    """A function or procedure; `definition` is None for an aggregate, `body` empty where the server tracks its references."""

    oid: int
    name: str
    kind: str
    owner: str
    acl: Strings
    arguments: str
    definition: str | None
    body: str
    settings: Strings


class Aggregate(NamedTuple):
    """What pg_aggregate says of an aggregate; functions as SQL, None where there is none."""

    oid: int
    arguments: str
    types: list[str]
    kind: str
    parallel: str
    transition: str
    state: str
    space: int
    initial: str | None
    final: str | None
    final_extra: bool
    final_modify: str
    combine: str | None
    serial: str | None
    deserial: str | None
    moving_transition: str | None
    moving_inverse: str | None
    moving_state: str | None
    moving_space: int
    moving_initial: str | None
    moving_final: str | None
    moving_final_extra: bool
    moving_final_modify: str
    sort_operator: str | None


class Operator(NamedTuple):
    """An operator; functions and operators as SQL."""

    oid: int
    name: str
    owner: str
    function: str
    left: str | None
    right: str
    commutator: str | None
    negator: str | None
    can_merge: bool
    can_hash: bool
    restrict: str | None
    join: str | None


class Dictionary(NamedTuple):
    """A text search dictionary; `options` as SQL."""

    oid: int
    name: str
    owner: str
    template: str
    options: str | None


class Configuration(NamedTuple):
    """A text search configuration; a mapping is "token WITH dictionaries"."""

    oid: int
    name: str
    owner: str
    parser: str
    mappings: list[str]


class Extension(NamedTuple):
    """An extension that something depends on by declaration."""

    oid: int
    name: str


class Uncarried(NamedTuple):
    """Something that a script does not carry, by its name for people."""

    is_refused: bool
    name: str


class Collation(NamedTuple):
    """A collation; `provider` is its collprovider."""

    oid: int
    name: str
    owner: str
    provider: str
    is_deterministic: bool
    lc_collate: str | None
    lc_ctype: str | None
    locale: str | None
    rules: str | None


class Statistics(NamedTuple):
    """An extended statistics object; `target` is -1 when not set."""

    oid: int
    name: str
    owner: str
    definition: str
    target: int


class Sequence(NamedTuple):
    """A sequence; `ownership` is "a" for one owned by a column, "i" for an identity column's, None for a free one."""

    oid: int
    type: str
    start: int
    increment: int
    maximum: int
    minimum: int
    cache: int
    cycle: bool
    table_oid: int | None
    table_name: str | None
    column: str | None
    ownership: str | None


class Comment(NamedTuple):
    """A comment; `part` is the number of a column, else 0."""

    class_: int
    object: int
    part: int
    text: str

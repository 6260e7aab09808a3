"""What controls ask of the target's database, next to its HTTP surface: as the owner, in short transactions."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from capliquify_ops.configuration import Target
from capliquify_ops.database import Session, fill, operator
from capliquify_ops.database.connect import Query
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.model.protocols import Clock
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.registry import registry_names

POLL_S = 0.01
_WAITING = (
    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks AS l WHERE NOT l.granted AND l.relation ="
    " (SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = %(schema)s AND c.relname = %(table)s)"
)
_EXISTS = (
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))"
)


@contextmanager
def owner_session(target: Target, purpose: str) -> Iterator["OwnerSession"]:
    """Open a session that may read tenant tables. Raises CannotTell without an operator URL."""
    if target.operator_url is None:
        raise CannotTell(
            f"Target {target.name!r} has no operator URL, so tenant schemas cannot be read.",
            hint=f"Set targets.{target.name}.operator_url_env in the configuration.",
        )
    with operator(target.operator_url, purpose, pooled=target.pooled) as session:
        yield OwnerSession(session, target)


@dataclass(frozen=True, slots=True)
class OwnerSession:
    """An operator's session together with the target whose owner it may become."""

    session: Session
    target: Target


def rows_with(owner: OwnerSession, schema: str, table: str, text: str) -> int:
    """Return how many rows of a table hold a text in any column, 0 where there is no such table. Raises PrivilegeMissing."""
    session = owner.session
    with session.transaction():
        if not session.value(_EXISTS, {"schema": schema, "table": table}):
            return 0
        with as_owner(session, owner.target.roles):
            query = fill(
                'SELECT pg_catalog.count(*) FROM :"schema".:"table" AS r WHERE r::text LIKE %(text)s',
                {"schema": schema, "table": table},
            )
            return int(session.value(query, {"text": f"%{text}%"}))


def tokens_in(owner: OwnerSession, schema: str, table: str, tokens: Sequence[str]) -> frozenset[str]:
    """Return which of these texts a table holds in any column; none where there is no such table. Raises PrivilegeMissing."""
    session = owner.session
    with session.transaction():
        if not session.value(_EXISTS, {"schema": schema, "table": table}):
            return frozenset()
        with as_owner(session, owner.target.roles):
            query = fill(
                "SELECT coalesce(pg_catalog.string_agg(DISTINCT t.token, ' '), '') FROM"
                " pg_catalog.unnest(pg_catalog.string_to_array(%(tokens)s, ' ')) AS t (token)"
                ' JOIN :"schema".:"table" AS r ON pg_catalog.strpos(r::text, t.token) > 0',
                {"schema": schema, "table": table},
            )
            return frozenset(str(session.value(query, {"tokens": " ".join(tokens)})).split())


@contextmanager
def features_edited(target: Target, tenant: str, features: object) -> Iterator[bool]:
    """Write the features column of one registry row, say whether it is stored, and put the old value back.

    Raises PrivilegeMissing, StatementFailed where the registry has no such column.
    """
    with owner_session(target, "audit features") as owner:
        before = _features(owner, tenant)
        _write_features(owner, tenant, json.dumps(features))
        try:
            yield json.loads(_features(owner, tenant) or "null") == features
        finally:
            _write_features(owner, tenant, before)


def _features(owner: OwnerSession, tenant: str) -> str | None:
    query = fill('SELECT t.features::text FROM :"registry_schema".:"registry_table" AS t WHERE t.id = %(id)s', registry_of(owner))
    with owner.session.transaction(), as_owner(owner.session, owner.target.roles):
        found: str | None = owner.session.value(query, {"id": tenant})
    return found


def _write_features(owner: OwnerSession, tenant: str, features: str | None) -> None:
    query = fill(
        'UPDATE :"registry_schema".:"registry_table" SET features = %(features)s::jsonb WHERE id = %(id)s', registry_of(owner)
    )
    change_one(owner, query, {"id": tenant, "features": features})


def change_one(owner: OwnerSession, query: Query, params: dict[str, object], *, first: str = "") -> None:
    """Change exactly one row as the owner, after a statement that prepares it. Raises CannotTell where there is none."""
    with owner.session.transaction(), as_owner(owner.session, owner.target.roles):
        if first:
            owner.session.value(first, {"id": params["id"]})
        if owner.session.execute(query, params) != 1:
            raise CannotTell(
                f"The registry {owner.target.profile.registry_table} has no row {params['id']}, so nothing was changed."
            )


def registry_of(owner: OwnerSession) -> dict[str, str]:
    """Return the names of the registry's schema and table, for `fill`."""
    return registry_names(owner.target.profile.registry_table)


class Lock:
    """A held table lock. `release` lets everybody waiting go on."""

    def __init__(self, session: Session, held: ExitStack, names: dict[str, str]) -> None:
        self._session = session
        self._held = held
        self.names = names

    def await_waiter(self, seconds: float, clock: Clock) -> bool:
        """Wait until somebody waits for the lock; False when nobody did in time."""
        return self._await(lambda waiting: waiting > 0, seconds, clock)

    def await_nobody(self, seconds: float, clock: Clock) -> bool:
        """Wait until nobody waits for the lock any more; False when somebody still did at the end."""
        return self._await(lambda waiting: waiting == 0, seconds, clock)

    def await_waiters(self, wanted: int, seconds: float, clock: Clock) -> int:
        """Wait until so many wait for the lock, or until time is up; return how many did."""
        self._await(lambda waiting: waiting >= wanted, seconds, clock)
        return self._waiting()

    def _waiting(self) -> int:
        return int(self._session.value(_WAITING, self.names))

    def _await(self, is_reached: Callable[[int], bool], seconds: float, clock: Clock) -> bool:
        end = clock.monotonic() + seconds
        while not is_reached(self._waiting()):
            if clock.monotonic() > end:
                return False
            self._session.value("SELECT pg_catalog.pg_sleep(%(seconds)s)", {"seconds": POLL_S})
        return True

    def release(self) -> None:
        """End the transaction that holds the lock. May be called again."""
        self._held.close()


@contextmanager
def blocked_table(target: Target, schema: str, table: str) -> Iterator[Lock]:
    """Hold a table so that every read and write of it waits. Raises CannotTell, PrivilegeMissing, StatementTimedOut."""
    names = {"schema": schema, "table": table}
    with owner_session(target, "audit lock") as owner, ExitStack() as held:
        held.enter_context(owner.session.transaction())
        with as_owner(owner.session, target.roles):
            owner.session.execute(fill('LOCK TABLE :"schema".:"table" IN ACCESS EXCLUSIVE MODE', names))
        yield Lock(owner.session, held, names)

"""The rules for migrations of a fleet: what each one says, and whether a person may overrule it with `--allow`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rule:
    """What is wrong and what to do instead. What cannot be allowed would break the run itself or another tenant."""

    why: str
    can_be_allowed: bool = True


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "syntax-error": Rule("PostgreSQL's parser cannot read the file; psql's own commands are no SQL.", False),
        "other-statement": Rule("It is not known to be harmless in every tenant; run it apart, once.", False),
        "other-schema": Rule(
            "A migration names no schema, since each tenant has its own; only pg_catalog and reading of public.", False
        ),
        "shared-table": Rule("What all tenants share is read here, not changed; change it once, apart.", False),
        "transaction-nesting": Rule("Each tenant is one transaction already; leave BEGIN, COMMIT and savepoints out.", False),
        "session-setting": Rule("The run sets search_path, role and limits; others are set with SET LOCAL.", False),
        "temporary-table": Rule(
            "It would meet the next tenant in the same session; write CREATE TEMP TABLE ... ON COMMIT DROP.", False
        ),
        "copy": Rule("COPY reads and writes files or programs of the server; write INSERT.", False),
        "database-wide": Rule("It is about the database or its roles, not about a tenant; run it apart, once.", False),
        "maintenance": Rule("VACUUM, CLUSTER, REINDEX and REFRESH lock for as long as they take; run them apart.", False),
        "ban-concurrent-index-creation-in-transaction": Rule(
            "CONCURRENTLY cannot run in a transaction; build it apart, once for each tenant.", False
        ),
        "grant-to-public": Rule("Every role could use it, the other tenants' too; name the role.", False),
        "do-block": Rule("A block or procedure cannot be seen through; write its statements, or allow it once you have read it."),
        "require-concurrent-index-creation": Rule(
            "Building an index stops writing, and CONCURRENTLY is not possible in a transaction; allow it for small tables."
        ),
        "adding-field-with-default": Rule(
            "A volatile default, identity, serial or stored expression rewrites the table; add the column bare, then fill it."
        ),
        "adding-required-field": Rule("NOT NULL without a default fails in every table that has rows; give it a default."),
        "adding-not-nullable-field": Rule(
            "SET NOT NULL reads the table under a lock; validate a CHECK (... IS NOT NULL) in other files first, then allow this."
        ),
        "changing-column-type": Rule(
            "Another type rewrites the table under a lock; add a second column, or allow it where it only widens."
        ),
        "constraint-missing-not-valid": Rule(
            "Adding it reads the whole table under a lock; add NOT VALID, and VALIDATE in another file."
        ),
        "adding-foreign-key-constraint": Rule(
            "Adding it reads both tables under a lock; add NOT VALID, and VALIDATE in another file."
        ),
        "validate-in-same-transaction": Rule(
            "VALIDATE beside ADD ... NOT VALID reads the table under the lock of the ADD; put it in another file."
        ),
        "disallowed-unique-constraint": Rule(
            "It builds an index under a lock; build the index apart, then ADD CONSTRAINT ... USING INDEX."
        ),
        "foreign-key-to-public": Rule(
            "It stops writing to the shared table for every tenant, as often as there are tenants; allow it at a quiet hour."
        ),
        "rewriting-table": Rule("It rewrites or reads the whole table under a lock."),
        "backfill-under-lock": Rule(
            "An earlier statement locked a table, and holds it for as long as this takes; put it in another file."
        ),
        "lock-table": Rule("It locks the table until the transaction ends."),
        "ban-drop-table": Rule("Its data is gone, and the running release may still use it; allow it once none does."),
        "ban-drop-column": Rule("Its data is gone, and the running release may still use it; allow it once none does."),
        "ban-drop-cascade": Rule("CASCADE drops what the file does not name, columns too; name what is to go."),
        "ban-truncate": Rule("It empties a table of every tenant."),
        "renaming-table": Rule("The running release still uses the old name; add the new one beside it."),
        "renaming-column": Rule("The running release still uses the old name; add the new one beside it."),
    }
)

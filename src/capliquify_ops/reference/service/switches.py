"""Defects and twins: what can be switched on to be wrong, slow, or right and look wrong. Without a switch nothing of this runs.

A defect leaves a mark in the run's folder each time that its line is reached, so that a proof can tell "not reached" from "not
seen". Neither the audit nor any answer of the service shows the mark.
"""

from collections.abc import Mapping
from pathlib import Path

REACHED_FILE = "reached"

DEFECTS: Mapping[str, str] = {
    "READ_USER_NO_TENANT": "a user is read by id, whatever tenant it belongs to",
    "AUDIT_LIST_ALL": "the audit log is listed without the tenant",
    "TRUST_ORG_HEADER": "the organisation header wins over the token",
    "SESSION_SET": "the search_path outlives the transaction, and the search does not set it",
    "CACHE_KEY_ID_ONLY": "the summary of a row is cached by its id alone",
    "JOB_NO_TENANT": "a job runs on whatever path the worker had",
    "RESET_ON_SUCCESS_ONLY": "a connection is reset only after a request that went well",
    "PATH_WITH_PUBLIC": "the shared schema follows the tenant's in the search_path",
    "SUSPEND_CACHED": "a tenant's status is kept for ever once it was read",
    "GLOBAL_TENANT": "the tenant of a request stands in a module's variable",
    "DB_ROLE_OWNER": "the service connects as the owner of the tables, and row security is not forced",
    "FORBIDDEN_IF_EXISTS": "another tenant's row is answered 403, an unknown one 404",
    "PATCH_ME_ALL_FIELDS": "the own profile takes every field that is sent",
    "PARENT_UNCHECKED": "a comment may hang on any tenant's row",
    "EXPORT_SHARED_PATH": "every export is written to one file",
    "CLONE_LIKE_ALL": "a new tenant's tables are copied with the defaults of the template",
    "RAW_DB_ERROR": "an error's answer holds the text of the database",
    "INVITE_ANY_ORG": "an invitation is taken by anybody, in any organisation, as often as they like",
    "SECDEF_UNPINNED": "a function with its owner's rights loses its search_path",
    "LOCK_KEY_CONSTANT": "one advisory lock for all tenants",
}
TWINS: Mapping[str, str] = {
    "UNIFORM_403": "a foreign and an unknown id are both answered 403",
    "SHARED_REFERENCE": "a table that all tenants read and only the platform writes",
    "MEMBER_OF_BOTH": "a user of two tenants changes between them",
    "SESSION_SET_WITH_RESET": "the search_path is set for the session, and reset whatever happens",
    "ONE_ROLE_NO_RLS": "one role for all schemas and no row security, by design and declared",
    "EQUAL_SERIALS": "equal serial ids and equal names in all tenants",
    "GLOBAL_SEQUENCE": "one sequence of ids for all tenants, declared",
    "PREPARED_STATEMENTS": "statements are prepared at once, and shared between schemas",
    "SUSPEND_TTL": "a suspension takes effect within the documented two seconds",
    "SUPPORT_AND_BROADCAST": "audited impersonation by support, announcements to all tenants, links that are good for their time",
}
SLOWNESS: Mapping[str, str] = {"STALL": "each worker stands still for 300 ms every 10 s"}
"""What a load run must see and an audit need not."""


class Switches:
    """What is switched on in one worker. Raises ValueError for a name that is none of the above."""

    def __init__(self, names: str, folder: Path) -> None:
        self._on = frozenset(name for name in names.replace(" ", "").split(",") if name)
        self._file = folder / REACHED_FILE
        if unknown := self._on - DEFECTS.keys() - TWINS.keys() - SLOWNESS.keys():
            raise ValueError(f"There is no switch {', '.join(sorted(unknown))}.")

    def has(self, name: str) -> bool:
        """Whether a switch is on, without a mark: for decisions that are made before the defect's own line."""
        return name in self._on

    def on(self, name: str) -> bool:
        """Whether a switch is on, at the very place where it matters: that leaves the mark."""
        if name not in self._on:
            return False
        with self._file.open("a", encoding="ascii") as file:
            file.write(f"{name}\n")
        return True


def reached(folder: Path) -> frozenset[str]:
    """Return the switches that were reached in a run."""
    path = folder / REACHED_FILE
    return frozenset(path.read_text(encoding="ascii").split()) if path.exists() else frozenset()

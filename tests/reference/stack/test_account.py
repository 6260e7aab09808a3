"""The user id of a server that root starts: unused, unclaimed, unprivileged."""

import os
import pwd
from contextlib import closing

import pytest

from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.reference import postgres_account


class Choices:
    """Chooses what it is told, the last one for ever."""

    def __init__(self, *uids: int) -> None:
        self._uids = list(uids)

    def choice(self, _span: range) -> int:
        return self._uids.pop(0) if len(self._uids) > 1 else self._uids[0]


def free_uids(count: int) -> list[int]:
    import random

    claims = [postgres_account.claim(random.SystemRandom()) for _ in range(count)]
    for claim in claims:
        claim.release()
    return [claim.server.uid for claim in claims]


def test_two_claims_differ():
    """An id that one stack claimed is not given to another, until it lets go."""
    first, second = free_uids(2)
    claimed = postgres_account.claim(Choices(first))
    other = postgres_account.claim(Choices(first, second))
    assert (claimed.server.uid, other.server.uid) == (first, second)
    claimed.release()
    other.release()
    again = postgres_account.claim(Choices(first))
    assert again.server.uid == first
    again.release()


def test_claimed_id_has_no_account():
    """The id is in no user database and is not root's."""
    for uid in free_uids(3):
        assert uid not in {entry.pw_uid for entry in pwd.getpwall()}
        assert uid > 60_000


@pytest.mark.parametrize("used", [0, os.geteuid(), pwd.getpwall()[-1].pw_uid])
def test_used_id_is_not_claimed(used):
    """An id with an account or a running process is passed over."""
    with pytest.raises(TargetUnreachable, match="No unused user id"):
        postgres_account.claim(Choices(used))


def test_initdb_gets_a_known_user_with_the_claimed_group():
    """`initdb` runs as a user that the machine knows and that is not root, with a group that nobody else has."""
    (uid,) = free_uids(1)
    claim = postgres_account.claim(Choices(uid))
    with closing(claim.token):
        assert pwd.getpwuid(claim.initdb.uid).pw_uid != 0
        assert claim.initdb.gid == claim.server.gid == uid

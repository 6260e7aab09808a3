"""Encrypted archives: to age and SSH keys, restored with the key and with nothing else."""

import subprocess
from pathlib import Path

import pytest

from capliquify_ops.model.errors import ArchiveRefused, UsageError
from capliquify_ops.tenants import backup as backups
from capliquify_ops.tenants.archive import encryption
from capliquify_ops.tenants.archive.opening import open_archive

pyrage = pytest.importorskip("pyrage")


@pytest.fixture
def keys(tmp_path):
    """Two key files with their public keys: one of age, one of SSH."""
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "age.key").write_text(f"# created: never\n{identity}\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ssh.key"], check=True)
    return {"age.key": str(identity.to_public()), "ssh.key": (tmp_path / "ssh.key.pub").read_text()}


def _encrypted(seen, tenant, path: Path, keys):
    source = backups.Source(tenant.schema_name, tenant)

    def write(file):
        with encryption.encrypted(file, encryption.recipients(list(keys))) as sink:
            return backups.write_archive(seen, lambda: source, sink, tool="test")

    return backups.written(path, write)


def test_either_key_opens_it(seen, tenant, keys, tmp_path):
    """An archive for two keys opens with each, and its digest is that of the archive inside."""
    receipt = _encrypted(seen, tenant, tmp_path / "a.sql.zst.age", keys.values())
    content = (tmp_path / "a.sql.zst.age").read_bytes()
    assert content.startswith(b"age-encryption.org/v1")
    for name in keys:
        with open_archive(tmp_path / "a.sql.zst.age", tmp_path / name) as archive:
            assert archive.sha256 == receipt.sha256
            assert archive.manifest.rows == 60


def test_nothing_else_opens_it(seen, tenant, keys, tmp_path):
    """Without a key, with another one, with a file that is none, and after a flip, it is refused in a sentence."""
    path = tmp_path / "a.sql.zst.age"
    _encrypted(seen, tenant, path, [keys["age.key"]])
    with pytest.raises(ArchiveRefused, match=r"is encrypted.*--identity"), open_archive(path):
        pass
    with pytest.raises(ArchiveRefused, match="another key"), open_archive(path, tmp_path / "ssh.key"):
        pass
    with pytest.raises(UsageError, match="no age or SSH private key"), open_archive(path, path):
        pass
    changed = bytearray(path.read_bytes())
    changed[-40] ^= 1
    path.write_bytes(changed)
    with pytest.raises(ArchiveRefused, match="damaged"), open_archive(path, tmp_path / "age.key"):
        pass
    with pytest.raises(UsageError, match="no public key"):
        encryption.recipients(["age1nonsense"])

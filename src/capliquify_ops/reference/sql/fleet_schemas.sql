-- name: fleet_schemas
-- needs: EXECUTE on public.create_tenant_schema
-- since: 14
-- params: tenants uuid[]
-- why: makes the schemas of a batch of registered tenants, with the product's own function
SELECT pg_catalog.count(public.create_tenant_schema(batch.id))
FROM pg_catalog.unnest(%(tenants)s::uuid[]) AS batch (id)

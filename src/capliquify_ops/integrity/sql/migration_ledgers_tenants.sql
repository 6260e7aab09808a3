-- name: migration_ledgers_tenants
-- needs: SELECT on the registry table
-- since: 14
-- params: none
-- schemas: registry
-- why: live tenants with a schema, oldest first
SELECT n.nspname::text AS tenant, pg_catalog.max(extract(epoch FROM pg_catalog.now() - t.created_at::timestamptz)::float8) AS age_s
FROM :"registry_schema".:"registry_table" AS t
JOIN pg_catalog.pg_namespace AS n ON n.nspname::text = t.schema_name::text
WHERE t.deleted_at IS NULL
GROUP BY n.nspname
ORDER BY 2 DESC, 1

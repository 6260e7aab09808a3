-- name: sequence_health_tenants
-- needs: SELECT on the registry table
-- since: 14
-- params: none
-- schemas: registry
-- why: how many live tenants have a schema to look into
SELECT pg_catalog.count(*) AS tenants, current_user::text AS role
FROM pg_catalog.pg_namespace AS n
WHERE EXISTS (
  SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.deleted_at IS NULL AND t.schema_name::text = n.nspname::text
)
ORDER BY 1

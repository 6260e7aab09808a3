-- name: tenant_names
-- needs: SELECT on the registry table
-- since: 14
-- params: at_most int
-- schemas: registry
-- why: the names by which statements, locks and texts of errors speak of tenants
SELECT t.schema_name::text AS name
FROM :"registry_schema".:"registry_table" AS t
WHERE t.schema_name IS NOT NULL
ORDER BY 1
LIMIT %(at_most)s

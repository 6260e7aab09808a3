-- name: latency_baseline_lookup
-- needs: SELECT on the registry
-- since: 14
-- params: organization text
-- schemas: registry
-- why: what a service asks first of every request: whose organisation is this, and in which schema are its rows
SELECT t.id::text AS id, t.schema_name::text AS schema_name
FROM :"registry_schema".:"registry_table" AS t
WHERE t.clerk_organization_id = %(organization)s::text
ORDER BY 1

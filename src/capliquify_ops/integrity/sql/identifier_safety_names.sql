-- name: identifier_safety_names
-- needs: SELECT on the registry table
-- since: 14
-- params: none
-- schemas: registry
-- why: the names of all schemas but the server's own, with the ids of the tenants that have them, and whether they are words of SQL
SELECT n.nspname::text AS name, coalesce(t.id::text, '') AS tenant, k.word IS NOT NULL AS is_reserved
FROM pg_catalog.pg_namespace AS n
LEFT JOIN :"registry_schema".:"registry_table" AS t ON t.schema_name::text = n.nspname::text
LEFT JOIN pg_catalog.pg_get_keywords() AS k ON k.word = n.nspname::text AND k.catcode IN ('R', 'T')
WHERE t.id IS NOT NULL OR NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
ORDER BY 1, 2

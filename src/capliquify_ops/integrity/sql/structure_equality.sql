-- name: structure_equality
-- needs: SELECT on the registry table
-- since: 14
-- params: none
-- why: the live tenants whose schemas must be built alike
SELECT t.slug::text AS slug, t.schema_name::text AS schema_name,
  extract(epoch FROM pg_catalog.now() - t.created_at::timestamptz)::float8 AS age_s
FROM :"registry_schema".:"registry_table" AS t
WHERE t.deleted_at IS NULL
ORDER BY t.created_at, t.id

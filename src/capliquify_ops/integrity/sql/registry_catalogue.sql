-- name: registry_catalogue
-- needs: SELECT on the registry table
-- since: 14
-- params: none
-- why: every registered tenant with the schema that bears exactly its name, if one does
SELECT t.id::text AS id, t.slug::text AS slug, t.schema_name::text AS schema_name, t.subscription_status::text AS status,
  t.deleted_at IS NOT NULL AS is_deleted,
  extract(epoch FROM pg_catalog.now() - t.created_at::timestamptz)::float8 AS age_s,
  n.oid IS NOT NULL AS has_schema,
  pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner
FROM :"registry_schema".:"registry_table" AS t
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname::text = t.schema_name::text
ORDER BY t.created_at, t.id

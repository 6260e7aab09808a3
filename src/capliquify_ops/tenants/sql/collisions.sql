-- name: collisions
-- needs: SELECT on the registry table
-- since: 14
-- params: slug text, organization text, schema text
-- why: what stands in the way of a new tenant, each kind by its name
SELECT found.kind, found.name
FROM (
  SELECT 1 AS position, 'slug' AS kind, t.slug::text AS name FROM :"registry_schema".:"registry_table" AS t WHERE t.slug = %(slug)s::text
  UNION ALL
  SELECT 2, 'slug in other case', t.slug::text FROM :"registry_schema".:"registry_table" AS t
  WHERE pg_catalog.lower(t.slug) = pg_catalog.lower(%(slug)s::text) AND t.slug <> %(slug)s::text
  UNION ALL
  SELECT 3, 'organisation', t.slug::text FROM :"registry_schema".:"registry_table" AS t
  WHERE t.clerk_organization_id = %(organization)s::text
  UNION ALL
  SELECT 4, 'schema name', t.slug::text FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name = %(schema)s::text
  UNION ALL
  SELECT 5, 'schema', n.nspname::text FROM pg_catalog.pg_namespace AS n WHERE n.nspname::text = %(schema)s::text
  UNION ALL
  SELECT 6, 'schema in other case', n.nspname::text FROM pg_catalog.pg_namespace AS n
  WHERE pg_catalog.lower(n.nspname::text) = pg_catalog.lower(%(schema)s::text) AND n.nspname::text <> %(schema)s::text
) AS found
ORDER BY found.position, found.name

-- name: collisions
-- needs: SELECT on the registry table
-- since: 14
-- params: slug text, organization text, schema text
-- why: what stands in the way of a new tenant, each kind by its name; one pass over the registry and one over the schemas
SELECT found.kind, found.name
FROM (
  SELECT k.position, k.kind, t.slug::text AS name
  FROM :"registry_schema".:"registry_table" AS t
  CROSS JOIN LATERAL (VALUES
    (1, 'slug', t.slug = %(slug)s::text),
    (2, 'slug in other case', t.slug <> %(slug)s::text AND pg_catalog.lower(t.slug) = pg_catalog.lower(%(slug)s::text)),
    (3, 'organisation', t.clerk_organization_id = %(organization)s::text),
    (4, 'schema name', t.schema_name = %(schema)s::text)
  ) AS k (position, kind, is_so)
  WHERE (pg_catalog.lower(t.slug) = pg_catalog.lower(%(slug)s::text) OR t.clerk_organization_id = %(organization)s::text
      OR t.schema_name = %(schema)s::text) AND k.is_so
  UNION ALL
  SELECT CASE WHEN n.nspname::text = %(schema)s::text THEN 5 ELSE 6 END,
    CASE WHEN n.nspname::text = %(schema)s::text THEN 'schema' ELSE 'schema in other case' END, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE pg_catalog.lower(n.nspname::text) = pg_catalog.lower(%(schema)s::text)
) AS found
ORDER BY found.position, found.name

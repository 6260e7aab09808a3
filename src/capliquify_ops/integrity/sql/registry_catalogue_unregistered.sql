-- name: registry_catalogue_unregistered
-- needs: SELECT on the registry table
-- since: 14
-- params: tables text[], others text[]
-- why: schemas that no tenant names, with what tells a tenant's schema from another one: owner and contents, never its name
WITH unregistered AS (
  SELECT n.oid, n.nspname::text AS name, pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner
  FROM pg_catalog.pg_namespace AS n
  WHERE NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
    AND n.nspname NOT IN ('information_schema', 'public', 'capliquify_ops')
    AND n.nspname::text <> ALL (%(others)s::text[])
    AND NOT EXISTS (
      SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text
    )
    AND NOT EXISTS (
      SELECT 1
      FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = n.oid AND d.deptype = 'e'
    )
)
SELECT u.name, u.owner,
  -- Through pg_depend: pg_class has no index on relnamespace.
  pg_catalog.count(d.objid)::int AS objects,
  pg_catalog.count(c.oid) FILTER (WHERE c.relkind IN ('r', 'p') AND c.relname::text = ANY (%(tables)s::text[]))::int AS tenant_tables
FROM unregistered AS u
LEFT JOIN pg_catalog.pg_depend AS d
  ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = u.oid
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
GROUP BY u.oid, u.name, u.owner
ORDER BY u.name

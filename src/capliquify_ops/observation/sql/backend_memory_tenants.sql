-- name: backend_memory_tenants
-- needs: SELECT on the registry table
-- since: 14
-- params: at_most int
-- schemas: registry
-- why: how many tenants there are, and the tables and indexes of some of them
WITH tenant (oid, name) AS (
  SELECT DISTINCT n.oid, n.nspname::text
  FROM :"registry_schema".:"registry_table" AS t
  JOIN pg_catalog.pg_namespace AS n ON n.nspname::text = t.schema_name::text
  WHERE t.deleted_at IS NULL
),
chosen (oid, name) AS (
  SELECT t.oid, t.name
  FROM tenant AS t
  ORDER BY t.name DESC
  LIMIT %(at_most)s
),
held (name, tables) AS (
  SELECT s.name, pg_catalog.array_agg(c.oid)
  FROM chosen AS s
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = s.oid
    AND d.classid = 'pg_catalog.pg_class'::regclass
  JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind IN ('r', 'm')
  GROUP BY s.name
)
SELECT (SELECT pg_catalog.count(*) FROM tenant)::int AS tenants,
  h.tables || ARRAY(
    SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = ANY (h.tables) ORDER BY 1
  ) AS relations
FROM held AS h
ORDER BY h.name DESC

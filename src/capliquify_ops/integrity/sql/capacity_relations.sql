-- name: capacity_relations
-- needs: SELECT on the registry table
-- since: 14
-- params: none
-- schemas: registry
-- why: how many relations and files there are, what a dump of all locks, and which tenant has most: what grows with the fleet
WITH tenant (oid, name) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
counted (schema, relations, files, tables, pages) AS MATERIALIZED (
  SELECT c.relnamespace, pg_catalog.count(*),
    -- Of an index and a sequence one file, of a table that was vacuumed also its maps of free space and visibility.
    pg_catalog.sum(
      CASE WHEN c.relkind IN ('r', 'm', 't') AND c.relpages > 0 THEN 3 WHEN c.relkind IN ('r', 'm', 't', 'i', 'S') THEN 1 ELSE 0 END
    ),
    pg_catalog.count(*) FILTER (WHERE c.relkind IN ('r', 'p')),
    pg_catalog.sum(c.relpages::bigint)
  FROM pg_catalog.pg_class AS c
  GROUP BY c.relnamespace
),
largest AS (
  SELECT t.oid, t.name FROM counted AS c JOIN tenant AS t ON t.oid = c.schema ORDER BY c.relations DESC, t.name LIMIT 1
)
SELECT
  (SELECT pg_catalog.count(*) FROM tenant)::int AS tenants,
  pg_catalog.sum(c.relations)::bigint AS relations,
  pg_catalog.sum(c.files)::bigint AS files,
  pg_catalog.sum(c.tables) FILTER (WHERE n.nspname NOT IN ('pg_catalog', 'information_schema'))::bigint AS dump_locks,
  (pg_catalog.sum(c.pages) * pg_catalog.current_setting('block_size')::int)::bigint AS bytes,
  coalesce((SELECT l.name FROM largest AS l), '') AS largest,
  (SELECT l.oid FROM largest AS l) AS largest_oid
FROM counted AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.schema
ORDER BY 1

-- name: tables
-- needs: SELECT on the registry table
-- since: 14
-- params: names text[], schemas text[], shared text[], biggest int, at_most int
-- schemas: registry
-- why: the largest tables of some names over all tenants, and those of some tenants: how they are read, and how old their statistics are
WITH place (oid, name, is_tenant) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text, v.is_tenant
  FROM pg_catalog.pg_namespace AS n
  CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
  ) AS v (is_tenant)
  WHERE v.is_tenant OR n.nspname::text = ANY (%(shared)s)
),
-- By the index on names. What was never analysed has no row count in the catalogue, and one in the counters.
sibling AS MATERIALIZED (
  SELECT c.oid, p.name AS schema, c.relname::text AS relation, p.is_tenant, c.reltuples,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0)::float8 AS rows
  FROM pg_catalog.pg_class AS c
  JOIN place AS p ON p.oid = c.relnamespace
  WHERE c.relname = ANY (%(names)s::name[]) AND c.relkind IN ('r', 'm')
),
ranked AS (
  SELECT s.*, pg_catalog.row_number() OVER (PARTITION BY s.relation ORDER BY s.rows DESC, s.schema) AS rank,
    pg_catalog.count(*) OVER (PARTITION BY s.relation) AS siblings
  FROM sibling AS s
)
SELECT r.oid::bigint AS oid, r.schema, r.relation, r.is_tenant, r.rows, r.siblings::int AS siblings,
  pg_catalog.pg_stat_get_numscans(r.oid) AS scans, pg_catalog.pg_stat_get_tuples_returned(r.oid) AS scanned_rows,
  pg_catalog.pg_stat_get_dead_tuples(r.oid) AS dead_rows, pg_catalog.pg_stat_get_mod_since_analyze(r.oid) AS changed_rows,
  r.reltuples < 0 AND pg_catalog.pg_stat_get_last_analyze_time(r.oid) IS NULL
    AND pg_catalog.pg_stat_get_last_autoanalyze_time(r.oid) IS NULL AS is_new,
  extract(epoch FROM pg_catalog.clock_timestamp() - greatest(
    pg_catalog.pg_stat_get_last_analyze_time(r.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(r.oid)
  ))::float8 AS analysed_s
FROM ranked AS r
WHERE r.rank <= %(biggest)s OR r.schema = ANY (%(schemas)s)
ORDER BY r.relation, r.rank
LIMIT %(at_most)s

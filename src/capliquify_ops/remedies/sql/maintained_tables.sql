-- name: maintained_tables
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schemas text[], tables text[]
-- why: what kind of relation each name stands for, how large it is, and how often its parts were vacuumed and analysed by hand
SELECT a.schema, a.name,
  CASE
    WHEN c.relpersistence = 't' THEN 'a temporary table'
    WHEN c.relkind = 'r' THEN 'table' WHEN c.relkind = 'p' THEN 'partitioned table' WHEN c.relkind = 'm' THEN 'materialized view'
    WHEN c.relkind = 'v' THEN 'a view' WHEN c.relkind IN ('i', 'I') THEN 'an index' WHEN c.relkind = 'S' THEN 'a sequence'
    WHEN c.relkind = 'f' THEN 'a foreign table' ELSE 'something else'
  END AS kind,
  -- The real size would wait for whoever has locked the table.
  c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes,
  p.parts, p.vacuums, p.analyses
FROM ROWS FROM (pg_catalog.unnest(%(schemas)s::text[]), pg_catalog.unnest(%(tables)s::text[])) AS a (schema, name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = a.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.name
CROSS JOIN LATERAL (
  -- A table, or those below a partitioned one: the server skips each of them by itself.
  SELECT pg_catalog.count(*)::int AS parts,
    coalesce(pg_catalog.sum(coalesce(pg_catalog.pg_stat_get_vacuum_count(l.oid), 0)), 0)::bigint AS vacuums,
    coalesce(pg_catalog.sum(coalesce(pg_catalog.pg_stat_get_analyze_count(l.oid), 0)), 0)::bigint AS analyses
  FROM pg_catalog.pg_class AS l
  WHERE l.oid = c.oid AND c.relkind <> 'p'
    OR c.relkind = 'p' AND l.relkind = 'r' AND l.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t WHERE t.isleaf)
) AS p
ORDER BY 1, 2

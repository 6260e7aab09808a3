-- name: maintained_tables
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schemas text[], tables text[]
-- why: what kind of relation each name stands for, how large it is, and how often it was vacuumed and analysed by hand
SELECT a.schema, a.name,
  CASE c.relkind
    WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'm' THEN 'materialized view' WHEN 'v' THEN 'a view'
    WHEN 'i' THEN 'an index' WHEN 'I' THEN 'an index' WHEN 'S' THEN 'a sequence' WHEN 'f' THEN 'a foreign table' ELSE 'something else'
  END AS kind,
  -- The real size would wait for whoever has locked the table.
  c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes,
  coalesce(pg_catalog.pg_stat_get_vacuum_count(c.oid), 0)::bigint AS vacuums,
  coalesce(pg_catalog.pg_stat_get_analyze_count(c.oid), 0)::bigint AS analyses
FROM ROWS FROM (pg_catalog.unnest(%(schemas)s::text[]), pg_catalog.unnest(%(tables)s::text[])) AS a (schema, name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = a.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.name
ORDER BY 1, 2

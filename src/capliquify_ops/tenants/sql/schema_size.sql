-- name: schema_size
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text
-- why: how much a verb concerns, at the price of one tenant and without a lock: a suspension must not wait for somebody's DDL
WITH stored AS (
  SELECT c.oid, c.reltoastrelid, c.reltuples
  FROM pg_catalog.pg_namespace AS n
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
    AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind IN ('r', 'm')
  WHERE n.nspname = %(schema)s::text
),
heaps AS (
  SELECT s.oid FROM stored AS s
  UNION ALL
  SELECT s.reltoastrelid FROM stored AS s WHERE s.reltoastrelid <> 0
),
files AS (
  SELECT h.oid FROM heaps AS h
  UNION ALL
  SELECT i.indexrelid FROM heaps AS h JOIN pg_catalog.pg_index AS i ON i.indrelid = h.oid
)
SELECT
  (SELECT pg_catalog.count(*) FROM stored)::int AS tables,
  coalesce((SELECT pg_catalog.sum(greatest(s.reltuples, 0)) FROM stored AS s), 0)::bigint AS rows_estimated,
  coalesce(
    (SELECT pg_catalog.sum(c.relpages::bigint) FROM files AS f JOIN pg_catalog.pg_class AS c ON c.oid = f.oid)
      * pg_catalog.current_setting('block_size')::bigint,
    0
  )::bigint AS bytes_estimated
ORDER BY 1

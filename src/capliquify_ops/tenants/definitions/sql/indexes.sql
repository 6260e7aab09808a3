-- name: indexes
-- needs: nothing beyond CONNECT
-- since: 14
-- params: relations oid[]
-- why: indexes as the server deparses them, with what their definition leaves out
SELECT c.oid::bigint AS oid, i.indrelid::bigint AS relation, c.relname::text AS name, pg_catalog.pg_get_indexdef(c.oid) AS definition,
  -- An invalid index of a partitioned table only lacks some of its parts.
  i.indisvalid OR c.relkind = 'I' AS is_valid, i.indisclustered AS is_clustered, i.indisreplident AS is_identity,
  c.reloptions AS options, s.spcname::text AS tablespace,
  CASE WHEN c.relispartition
    THEN (SELECT h.inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = c.oid) END AS parent,
  -- Only columns that are expressions have a target of their own.
  CASE WHEN i.indexprs IS NULL THEN ARRAY[]::text[] ELSE ARRAY(
    SELECT pg_catalog.format('%%s %%s', a.attnum, a.attstattarget)
    FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attstattarget >= 0 ORDER BY a.attnum
  ) END AS statistics
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = c.reltablespace
WHERE i.indrelid = ANY (%(relations)s::oid[])
ORDER BY c.oid

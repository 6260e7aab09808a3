-- name: sizes
-- needs: nothing beyond CONNECT
-- since: 14
-- params: tables oid[], at_least int8
-- why: tables without a page hold no row; those with enough out-of-line storage for a row near the server's limit of 1 GB, and what measures such a row unread
SELECT c.oid::bigint AS oid,
  -- What another access method calls its size is its own affair; a standby has no file of an unlogged table, whose COPY says so.
  c.relam <> 2 OR c.relpersistence <> 'p' OR coalesce(pg_catalog.pg_relation_size(c.oid) > 0, true) AS has_pages,
  CASE WHEN c.reltoastrelid <> 0 AND pg_catalog.pg_relation_size(c.reltoastrelid) >= %(at_least)s THEN (
    SELECT pg_catalog.string_agg(
        pg_catalog.format(CASE WHEN a.atttypid = 'pg_catalog.bytea'::pg_catalog.regtype
          THEN 'coalesce(2 * pg_catalog.octet_length(%%I)::bigint + 3, 2)' ELSE 'coalesce(pg_catalog.octet_length(%%I)::bigint, 2)' END, a.attname),
        ' + ' ORDER BY a.attnum
      )
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      AND a.atttypid IN ('pg_catalog.bytea'::pg_catalog.regtype, 'pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype)
  ) END AS length
FROM pg_catalog.pg_class AS c
WHERE c.oid = ANY (%(tables)s::oid[])
ORDER BY c.oid

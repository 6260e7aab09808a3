-- name: sequences
-- needs: nothing beyond CONNECT
-- since: 14
-- params: relations oid[]
-- why: sequences with the column that owns them, identity columns included
SELECT q.seqrelid::bigint AS oid, pg_catalog.format_type(q.seqtypid, NULL) AS type, q.seqstart AS start, q.seqincrement AS increment,
  q.seqmax AS maximum, q.seqmin AS minimum, q.seqcache AS cache, q.seqcycle AS cycle,
  d.refobjid::bigint AS table_oid, d.refobjid::pg_catalog.regclass::text AS table_name, a.attname::text AS column, d.deptype::text AS ownership
FROM pg_catalog.pg_sequence AS q
LEFT JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = q.seqrelid AND d.objsubid = 0
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE q.seqrelid = ANY (%(relations)s::oid[])
ORDER BY q.seqrelid

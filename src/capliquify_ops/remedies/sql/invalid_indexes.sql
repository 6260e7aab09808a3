-- name: invalid_indexes
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text
-- why: what a concurrent build that failed has left: found before and after, the difference is ours to remove
SELECT c.relname::text AS name
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
JOIN pg_catalog.pg_index AS x ON x.indrelid = d.objid AND NOT (x.indisvalid AND x.indisready AND x.indislive)
JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
WHERE n.nspname::text = %(schema)s::text
ORDER BY 1

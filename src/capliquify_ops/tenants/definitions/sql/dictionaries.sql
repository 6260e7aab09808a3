-- name: dictionaries
-- needs: nothing beyond CONNECT
-- since: 14
-- params: dictionaries oid[]
-- why: text search dictionaries
SELECT d.oid::bigint AS oid, d.dictname::text AS name, pg_catalog.pg_get_userbyid(d.dictowner)::text AS owner,
  pg_catalog.format('%%I.%%I', n.nspname, t.tmplname) AS template, d.dictinitoption AS options
FROM pg_catalog.pg_ts_dict AS d
JOIN pg_catalog.pg_ts_template AS t ON t.oid = d.dicttemplate
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.tmplnamespace
WHERE d.oid = ANY (%(dictionaries)s::oid[])
ORDER BY d.oid

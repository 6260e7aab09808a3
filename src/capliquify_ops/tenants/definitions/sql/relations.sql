-- name: relations
-- needs: nothing beyond CONNECT
-- since: 14
-- params: relations oid[]
-- why: tables, views and what is like them, as they were declared
SELECT c.oid::bigint AS oid, c.relname::text AS name, c.relkind::text AS kind, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
  c.relacl::text[] AS acl, c.relpersistence::text AS persistence, m.amname::text AS access_method, s.spcname::text AS tablespace,
  c.reloptions AS options, t.reloptions AS toast_options, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key,
  CASE WHEN c.relispartition THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) END AS bound,
  CASE WHEN c.reloftype <> 0 THEN pg_catalog.format_type(c.reloftype, NULL) END AS of_type,
  CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END AS query,
  c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security, c.relreplident::text AS replica_identity,
  c.relispopulated AS is_populated,
  ARRAY(
    SELECT i.inhparent::pg_catalog.regclass::text FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno
  ) AS parents,
  ARRAY(SELECT i.inhparent::bigint FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parent_oids
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid
WHERE c.oid = ANY (%(relations)s::oid[])
ORDER BY c.oid

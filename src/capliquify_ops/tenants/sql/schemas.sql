-- name: schemas
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: schemas by OID with their owner, however few rights the role has on them
SELECT n.oid::bigint AS oid, n.nspname::text AS name, pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner
FROM pg_catalog.pg_namespace AS n
WHERE NOT pg_catalog.starts_with(n.nspname::text, 'pg_') AND n.nspname <> 'information_schema'
ORDER BY n.oid

-- name: schema
-- needs: nothing beyond CONNECT
-- since: 14
-- params: name text
-- why: the schema itself, and the default privileges that hold in it
SELECT n.oid::bigint AS oid, n.nspname::text AS name, pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner, n.nspacl::text[] AS acl,
  ARRAY(
    SELECT pg_catalog.json_build_array(pg_catalog.pg_get_userbyid(a.defaclrole), a.defaclobjtype, a.defaclacl::text[])::text
    FROM pg_catalog.pg_default_acl AS a
    WHERE a.defaclnamespace = n.oid
    ORDER BY pg_catalog.pg_get_userbyid(a.defaclrole), a.defaclobjtype
  ) AS default_acls
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = %(name)s
ORDER BY n.oid

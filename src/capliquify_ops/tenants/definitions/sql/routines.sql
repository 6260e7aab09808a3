-- name: routines
-- needs: nothing beyond CONNECT
-- since: 14
-- params: routines oid[]
-- why: functions and procedures as the server deparses them
SELECT p.oid::bigint AS oid, p.proname::text AS name, p.prokind::text AS kind, pg_catalog.pg_get_userbyid(p.proowner)::text AS owner,
  p.proacl::text[] AS acl, pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments,
  CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END AS definition,
  CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE '' END AS body, p.proconfig AS settings
FROM pg_catalog.pg_proc AS p
WHERE p.oid = ANY (%(routines)s::oid[])
ORDER BY p.oid

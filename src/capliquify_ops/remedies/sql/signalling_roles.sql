-- name: signalling_roles
-- needs: nothing beyond CONNECT
-- since: 14
-- params: role text
-- why: as which role this one can see and end the sessions of another: itself first, then those that it can become
SELECT r.rolname::text, r.rolname = current_user AS is_self
FROM pg_catalog.pg_roles AS r
WHERE (r.rolname = current_user OR (NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, 'MEMBER')))
  AND (pg_catalog.pg_has_role(r.oid, %(role)s::name, 'USAGE') OR (
    pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'USAGE') AND pg_catalog.pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE')))
ORDER BY is_self DESC, r.rolname
LIMIT 10

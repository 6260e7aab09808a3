-- name: audit_rights
-- needs: nothing
-- since: 14
-- params: acts text, app text
-- why: the audit acts as the service's role and sees and ends its sessions; what is not granted is said beforehand
SELECT
  session_user::text AS role,
  coalesce(pg_catalog.pg_has_role(session_user, a.oid, %(acts)s), false) AS acts_as_app,
  pg_catalog.pg_has_role(session_user, 'pg_signal_backend', 'USAGE') AS signals,
  pg_catalog.pg_has_role(session_user, 'pg_read_all_stats', 'USAGE') AS sees_sessions
FROM (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = %(app)s UNION ALL SELECT NULL LIMIT 1) AS a

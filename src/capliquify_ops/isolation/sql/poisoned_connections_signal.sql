-- name: poisoned_connections_signal
-- needs: pg_signal_backend, or the privileges of the role whose session it is
-- since: 14
-- params: pid int, role text, is_end bool
-- why: a statement that is cancelled, or a session that is ended, in the middle of a request
SELECT CASE WHEN %(is_end)s::bool THEN pg_catalog.pg_terminate_backend(a.pid) ELSE pg_catalog.pg_cancel_backend(a.pid) END AS is_sent
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid = %(pid)s::int AND a.usename::text = %(role)s::text AND a.datname = pg_catalog.current_database()

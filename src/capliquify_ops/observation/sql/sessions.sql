-- name: sessions
-- needs: pg_monitor to see what other roles' sessions do
-- since: 14
-- params: at_most int
-- why: who is connected, as whom, for how long, doing what, and who waits for whom
SELECT a.pid, coalesce(a.usename, '')::text AS role, coalesce(a.application_name, '') AS application,
  coalesce(pg_catalog.host(a.client_addr), 'local') AS client, coalesce(a.datname = pg_catalog.current_database(), false) AS is_here,
  a.state IS NOT NULL AS is_visible, coalesce(a.state, '') AS state,
  coalesce(a.wait_event_type, '') AS wait_type, coalesce(a.wait_event, '') AS wait_event,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start)::float8 AS connected_s,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS transaction_s,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8 AS state_s,
  a.backend_start, a.xact_start, coalesce(pg_catalog.left(a.query, 1000), '') AS query,
  -- Asked for those alone that wait for a lock: it takes a look at every lock of the server.
  CASE WHEN a.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(a.pid) ELSE '{}' END AS blocked_by,
  a.pid = pg_catalog.pg_backend_pid() AS is_own
FROM pg_catalog.pg_stat_activity AS a
WHERE (a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.datid IS NOT NULL))
ORDER BY a.backend_start, a.pid
LIMIT %(at_most)s

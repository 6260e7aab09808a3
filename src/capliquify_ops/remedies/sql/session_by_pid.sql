-- name: session_by_pid
-- needs: pg_read_all_stats, or the privileges of the role whose session it is
-- since: 14
-- params: pid int
-- why: one session, what protects it, whom it keeps waiting and for whom it waits itself
SELECT a.pid, coalesce(a.usename, '')::text AS role, coalesce(a.application_name, '') AS application,
  coalesce(pg_catalog.host(a.client_addr), 'local') AS client, coalesce(a.state, '') AS state,
  a.backend_start, a.xact_start, a.query_start, a.state_change,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8 AS state_s,
  coalesce(pg_catalog.left(a.query, 1000), '') AS query,
  CASE
    WHEN a.pid = pg_catalog.pg_backend_pid() THEN 'it is this session'
    WHEN a.backend_type <> 'client backend' THEN pg_catalog.concat('it is a ', a.backend_type, ', no client')
    WHEN a.datname IS DISTINCT FROM pg_catalog.current_database() THEN 'it works in another database'
    WHEN r.rolsuper THEN 'its role is a superuser'
    WHEN r.rolreplication THEN 'its role replicates'
    WHEN a.application_name ~ '^(capliquify_ops|pg_(dump|dumpall|restore|basebackup|receivewal|recvlogical)$)' THEN 'it is maintenance'
    WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_vacuum AS p WHERE p.pid = a.pid)
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.pid = a.pid)
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_cluster AS p WHERE p.pid = a.pid)
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_analyze AS p WHERE p.pid = a.pid) THEN 'it is maintenance'
    ELSE ''
  END AS protected,
  (SELECT pg_catalog.count(DISTINCT l.pid)::int FROM pg_catalog.pg_locks AS l
    WHERE NOT l.granted AND l.pid <> a.pid AND a.pid = ANY (pg_catalog.pg_blocking_pids(l.pid))) AS victims,
  pg_catalog.pg_blocking_pids(a.pid) AS blocked_by
FROM pg_catalog.pg_stat_activity AS a
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
WHERE a.pid = %(pid)s

-- name: idle_transactions
-- needs: pg_read_all_stats, or the privileges of the role whose sessions they are
-- since: 14
-- params: role text, over_s float8, at_most int
-- why: sessions of this database and of one role that hold a transaction open and do nothing, with what protects some of them
SELECT a.pid, a.usename::text AS role, coalesce(a.application_name, '') AS application,
  coalesce(pg_catalog.host(a.client_addr), 'local') AS client, a.state, a.backend_start, a.xact_start, a.query_start, a.state_change,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8 AS state_s,
  coalesce(pg_catalog.left(a.query, 1000), '') AS query,
  CASE
    WHEN a.pid = pg_catalog.pg_backend_pid() THEN 'it is this session'
    WHEN r.rolsuper THEN 'its role is a superuser'
    WHEN r.rolreplication THEN 'its role replicates'
    WHEN a.application_name ~ '^(capliquify_ops|pg_(dump|dumpall|restore|basebackup|receivewal|recvlogical)$)' THEN 'it is maintenance'
    ELSE ''
  END AS protected
FROM pg_catalog.pg_stat_activity AS a
JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
WHERE a.backend_type = 'client backend' AND a.datname = pg_catalog.current_database() AND a.usename = %(role)s::text
  AND pg_catalog.starts_with(a.state, 'idle in transaction')
  AND a.state_change < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %(over_s)s)
ORDER BY a.state_change, a.pid
LIMIT %(at_most)s

-- name: signal_session
-- needs: pg_signal_backend, or the privileges of the role whose session it is; and to see what it does
-- since: 14
-- params: pid int, role text, backend_start timestamptz, state text, xact_start timestamptz, state_change timestamptz, act text, must_block bool, wait_ms int
-- why: cancels or ends one session, looked at once more in the statement that does it: whatever is another one by now is left alone
WITH seen AS MATERIALIZED (
  SELECT a.pid,
    CASE
      WHEN a.backend_start IS DISTINCT FROM %(backend_start)s::timestamptz THEN 'gone'
      WHEN a.pid = pg_catalog.pg_backend_pid() THEN 'it is this session'
      WHEN a.backend_type <> 'client backend' THEN 'it is no client'
      WHEN a.datname IS DISTINCT FROM pg_catalog.current_database() THEN 'it works in another database'
      WHEN a.usename IS DISTINCT FROM %(role)s::text THEN 'it is of another role'
      WHEN r.rolsuper THEN 'its role is a superuser'
      WHEN r.rolreplication THEN 'its role replicates'
      WHEN a.application_name ~ '^(capliquify_ops|pg_(dump|dumpall|restore|basebackup|receivewal|recvlogical)$)' THEN 'it is maintenance'
      WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_vacuum AS p WHERE p.pid = a.pid)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.pid = a.pid)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_cluster AS p WHERE p.pid = a.pid)
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_analyze AS p WHERE p.pid = a.pid) THEN 'it is maintenance'
      WHEN a.state IS DISTINCT FROM %(state)s::text
        OR a.xact_start IS DISTINCT FROM %(xact_start)s::timestamptz
        OR a.state_change IS DISTINCT FROM %(state_change)s::timestamptz THEN 'it has gone on since'
      WHEN %(must_block)s::bool AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS l
        WHERE NOT l.granted AND l.pid <> a.pid AND a.pid = ANY (pg_catalog.pg_blocking_pids(l.pid))) THEN 'it blocks nobody any more'
      WHEN %(must_block)s::bool AND pg_catalog.cardinality(pg_catalog.pg_blocking_pids(a.pid)) > 0 THEN 'it waits for another one itself'
      ELSE ''
    END AS stands_against
  FROM pg_catalog.pg_stat_activity AS a
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
  WHERE a.pid = %(pid)s
)
-- CASE alone promises that the functions are not called for others: a condition in WHERE may come after them.
SELECT CASE
  WHEN s.stands_against <> '' THEN s.stands_against
  WHEN %(act)s::text = 'terminate' THEN
    CASE WHEN pg_catalog.pg_terminate_backend(s.pid, %(wait_ms)s::bigint) THEN 'ended' ELSE 'told to end' END
  ELSE CASE WHEN pg_catalog.pg_cancel_backend(s.pid) THEN 'cancelled' ELSE 'gone' END
END
FROM seen AS s

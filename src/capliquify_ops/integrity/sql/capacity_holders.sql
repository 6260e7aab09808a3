-- name: capacity_holders
-- needs: pg_monitor to see other roles' sessions
-- since: 14
-- params: none
-- why: who keeps vacuum from removing old rows of this database, keeps locks without working, or keeps the server's WAL
WITH here AS (
  SELECT d.oid, d.datname FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
)
SELECT 'session' AS kind,
  pg_catalog.concat_ws(' ', 'pid', a.pid, 'of', a.usename, CASE WHEN a.state LIKE 'idle in transaction%%' THEN 'idle' ELSE 'active' END,
    '(' || nullif(a.application_name, '') || ')') AS name,
  coalesce(greatest(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)), 0)::bigint AS held_xids,
  -- A pg_dump of several jobs keeps the snapshot of all of them in a session that waits.
  CASE WHEN a.state LIKE 'idle in transaction%%' AND a.backend_type = 'client backend' AND a.application_name <> 'pg_dump'
    THEN greatest(extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change), 0) ELSE 0 END::float8 AS idle_s,
  false AS is_behind
FROM pg_catalog.pg_stat_activity AS a
-- A standby that feeds back its horizon has no database, and holds every one's.
WHERE (a.datid IS NULL OR a.datid = (SELECT h.oid FROM here AS h))
  AND a.pid <> pg_catalog.pg_backend_pid()
  AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL OR a.state LIKE 'idle in transaction%%')
  -- A vacuum's own snapshot holds nobody up.
  AND a.backend_type <> 'autovacuum worker'
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
UNION ALL
SELECT 'prepared transaction', p.gid, pg_catalog.age(p.transaction),
  extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::float8, false
FROM pg_catalog.pg_prepared_xacts AS p
WHERE p.database = (SELECT h.datname FROM here AS h)
UNION ALL
SELECT 'replication slot', s.slot_name::text, coalesce(greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)), 0), 0,
  -- It keeps more than max_wal_size, or has lost what it should have kept.
  NOT s.active AND coalesce(s.wal_status IN ('extended', 'unreserved', 'lost'), false)
FROM pg_catalog.pg_replication_slots AS s
ORDER BY 1, 2

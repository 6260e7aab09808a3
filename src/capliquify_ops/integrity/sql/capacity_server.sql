-- name: capacity_server
-- needs: nothing; pg_monitor to see other roles' sessions
-- since: 14
-- params: none
-- why: the settings that bound what the server can do, and what this role may see of it
SELECT
  current_user::text AS role,
  pg_catalog.pg_is_in_recovery() AS is_standby,
  -- Another role's session shows its user, and neither kind nor state without pg_monitor.
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity AS a WHERE a.usesysid IS NOT NULL AND a.backend_type IS NULL)
    AS masked_sessions,
  (NOT pg_catalog.current_setting('autovacuum')::bool)::int + (NOT pg_catalog.current_setting('track_counts')::bool)::int
    AS vacuum_settings_off,
  -- From 18 on the slots that the server started with bound the workers too.
  least(
    pg_catalog.current_setting('autovacuum_max_workers')::int,
    pg_catalog.current_setting('autovacuum_worker_slots', true)::int
  ) AS vacuum_workers,
  pg_catalog.current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
  pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_freeze_max_age,
  -- What the lock table holds at least: the server adds room for its own processes.
  pg_catalog.current_setting('max_locks_per_transaction')::bigint
    * (pg_catalog.current_setting('max_connections')::bigint + pg_catalog.current_setting('max_prepared_transactions')::bigint)
    AS lock_capacity,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks AS l WHERE NOT l.fastpath) AS locks_used,
  -- Counters begin anew with a reset of the database's, and with a crash, which resets those of the WAL.
  coalesce(
    extract(epoch FROM pg_catalog.clock_timestamp() - greatest(
      (SELECT d.stats_reset FROM pg_catalog.pg_stat_database AS d WHERE d.datname = pg_catalog.current_database()),
      (SELECT w.stats_reset FROM pg_catalog.pg_stat_wal AS w)
    )), 0
  )::float8 AS statistics_age_s,
  coalesce(s.nspname::text, '') AS statements_schema,
  coalesce(pg_catalog.has_schema_privilege(s.oid, 'USAGE'), false) AS may_use_statements
FROM (VALUES (1)) AS one (n)
LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid = e.extnamespace
ORDER BY 1

-- name: database_errors
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: what this database counts of errors, read twice: deadlocks, transactions that were rolled back, sessions that ended badly
SELECT d.deadlocks, d.xact_commit AS commits, d.xact_rollback AS rollbacks, d.conflicts,
  d.sessions_fatal AS fatal, d.sessions_killed AS killed,
  extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS at_s,
  -- A database whose statistics were never reset has counted since it was made: nobody keeps when that was.
  extract(epoch FROM pg_catalog.clock_timestamp() - d.stats_reset)::float8 AS counted_s
FROM pg_catalog.pg_stat_database AS d
WHERE d.datname = pg_catalog.current_database()
ORDER BY d.datid

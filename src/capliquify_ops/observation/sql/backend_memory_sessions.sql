-- name: backend_memory_sessions
-- needs: pg_read_all_stats to see since when the application's sessions are connected
-- since: 14
-- params: app text, lifetime_s float8
-- why: sessions of the application in this database, those that live longer than a connection should, and shared_buffers
SELECT pg_catalog.count(s.age_s)::int AS sessions,
  (pg_catalog.count(*) FILTER (WHERE s.age_s > %(lifetime_s)s))::int AS old_sessions,
  pg_catalog.max(s.age_s) FILTER (WHERE s.age_s > %(lifetime_s)s) AS oldest_s,
  pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')) AS shared_buffers
FROM (
  SELECT extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start)::float8
  FROM pg_catalog.pg_stat_activity AS a
  WHERE a.backend_type = 'client backend' AND a.usename = %(app)s AND a.datname = pg_catalog.current_database()
) AS s (age_s)
ORDER BY 1

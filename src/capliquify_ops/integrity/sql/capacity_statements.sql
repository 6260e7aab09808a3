-- name: capacity_statements
-- needs: EXECUTE on the functions of pg_stat_statements
-- since: 14
-- params: none
-- schemas: pg_stat_statements
-- why: how full the statistics of statements are, and how often the server threw some away to make room
SELECT
  (SELECT pg_catalog.count(*) FROM :"statements_schema".pg_stat_statements(false))::int AS entries,
  pg_catalog.current_setting('pg_stat_statements.max')::int AS most,
  i.dealloc AS evictions,
  extract(epoch FROM pg_catalog.clock_timestamp() - i.stats_reset)::float8 AS age_s
FROM :"statements_schema".pg_stat_statements_info() AS i
ORDER BY 1

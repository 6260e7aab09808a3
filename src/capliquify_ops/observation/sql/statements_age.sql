-- name: statements_age
-- needs: EXECUTE on the functions of pg_stat_statements
-- since: 14
-- params: none
-- schemas: pg_stat_statements
-- why: since when the statistics of statements have been counted: they tell of that time, not of now
SELECT extract(epoch FROM pg_catalog.clock_timestamp() - i.stats_reset)::float8 AS age_s
FROM :"statements_schema".pg_stat_statements_info() AS i
ORDER BY 1

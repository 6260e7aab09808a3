-- name: statements_texts
-- needs: EXECUTE on the functions of pg_stat_statements; pg_read_all_stats for the statements of other roles
-- since: 14
-- params: queryids bigint[], longest int
-- schemas: pg_stat_statements
-- why: the texts of some statements, cut
SELECT DISTINCT ON (s.queryid) s.queryid, pg_catalog.left(s.query, %(longest)s) AS text,
  pg_catalog.length(s.query) > %(longest)s AS is_cut
FROM :"statements_schema".pg_stat_statements(true) AS s
WHERE s.queryid = ANY (%(queryids)s) AND s.query IS NOT NULL
  AND s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
ORDER BY s.queryid, s.userid

-- name: statements
-- needs: EXECUTE on the functions of pg_stat_statements; pg_read_all_stats for the statements of other roles
-- since: 14
-- params: app text, at_most int
-- schemas: pg_stat_statements
-- why: how often each statement ran and for how long, without its text: the file of the texts can be large
SELECT s.queryid, v.is_app, pg_catalog.sum(s.calls)::bigint AS calls, pg_catalog.sum(s.total_exec_time)::float8 AS total_ms,
  pg_catalog.sum(s.rows)::bigint AS rows
FROM :"statements_schema".pg_stat_statements(false) AS s
LEFT JOIN pg_catalog.pg_roles AS a ON a.rolname = %(app)s::name
-- Without that role nobody knows whose statements answer requests: then those of all do, this diagnosis's own left out.
CROSS JOIN LATERAL (SELECT CASE WHEN a.oid IS NULL THEN s.userid <> current_user::regrole ELSE s.userid = a.oid END) AS v (is_app)
WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  AND s.queryid IS NOT NULL
GROUP BY s.queryid, v.is_app
ORDER BY 4 DESC, 1, 2
LIMIT %(at_most)s

-- name: latency_baseline_path
-- needs: nothing
-- since: 14
-- params: path text
-- why: how long the change of search_path takes that a service makes for each request; it ends with the transaction
SELECT pg_catalog.set_config('search_path', %(path)s::text, true) AS path
ORDER BY 1

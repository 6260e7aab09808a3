-- name: plan_functions
-- needs: nothing beyond CONNECT
-- since: 14
-- params: names text[]
-- why: which of these names are functions that may do more than compute: a statement with one of them is not run a second time
SELECT DISTINCT p.proname::text AS name
FROM pg_catalog.pg_proc AS p
WHERE p.proname = ANY (%(names)s::name[]) AND p.provolatile = 'v'
ORDER BY 1

-- name: failed_deployment_capliquify
-- needs: SELECT on the ledger
-- since: 14
-- params: since timestamptz, at_most int
-- why: what fleet migrate has applied since a time, the newest first, whatever the number of tenants
SELECT m.file_name::text AS name, pg_catalog.max(m.finished_at) AS at
FROM :"schema".:"relation" AS m
WHERE m.state = 'done' AND m.finished_at > %(since)s::timestamptz
GROUP BY m.file_name
ORDER BY 2 DESC, 1
LIMIT %(at_most)s

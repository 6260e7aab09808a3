-- name: failed_deployment_django
-- needs: SELECT on the ledger
-- since: 14
-- params: since timestamptz, at_most int
-- why: what Django has applied since a time, the newest first
SELECT m.app::text || '.' || m.name::text AS name, m.applied::timestamptz AS at
FROM :"schema".:"relation" AS m
WHERE m.applied::timestamptz > %(since)s::timestamptz
ORDER BY 2 DESC, 1
LIMIT %(at_most)s

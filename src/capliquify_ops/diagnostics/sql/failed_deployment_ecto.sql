-- name: failed_deployment_ecto
-- needs: SELECT on the ledger
-- since: 14
-- params: since timestamptz, at_most int
-- why: what Ecto has applied since a time, the newest first; its times are in UTC
SELECT m.version::text AS name, m.inserted_at::timestamptz AS at
FROM :"schema".:"relation" AS m
WHERE m.inserted_at::timestamptz > %(since)s::timestamptz
ORDER BY 2 DESC, 1
LIMIT %(at_most)s

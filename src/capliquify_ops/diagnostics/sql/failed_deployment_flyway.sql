-- name: failed_deployment_flyway
-- needs: SELECT on the ledger
-- since: 14
-- params: since timestamptz, at_most int
-- why: what Flyway has applied since a time, the newest first; times without a zone are read as UTC
SELECT coalesce(m.version::text, m.script::text) AS name, m.installed_on::timestamptz AS at
FROM :"schema".:"relation" AS m
WHERE m.success AND m.installed_on::timestamptz > %(since)s::timestamptz
ORDER BY 2 DESC, 1
LIMIT %(at_most)s

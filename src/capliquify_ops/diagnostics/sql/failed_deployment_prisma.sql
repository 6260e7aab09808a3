-- name: failed_deployment_prisma
-- needs: SELECT on the ledger
-- since: 14
-- params: since timestamptz, at_most int
-- why: what Prisma has applied since a time, and not rolled back, the newest first
SELECT m.migration_name::text AS name, m.finished_at::timestamptz AS at
FROM :"schema".:"relation" AS m
WHERE m.rolled_back_at IS NULL AND m.finished_at::timestamptz > %(since)s::timestamptz
ORDER BY 2 DESC, 1
LIMIT %(at_most)s

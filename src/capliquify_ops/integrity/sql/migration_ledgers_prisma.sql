-- name: migration_ledgers_prisma
-- needs: SELECT on the ledger
-- since: 14
-- params: none
-- why: what Prisma has applied, tried and rolled back; what began within the hour may still be running
SELECT m.migration_name::text AS entry,
  CASE
    WHEN pg_catalog.bool_or(m.finished_at IS NOT NULL AND m.rolled_back_at IS NULL) THEN 'applied'
    WHEN pg_catalog.bool_and(m.rolled_back_at IS NOT NULL) THEN 'rolled back'
    WHEN pg_catalog.max(m.started_at) FILTER (WHERE m.rolled_back_at IS NULL)::timestamptz
      > pg_catalog.now() - '1 hour'::pg_catalog.interval THEN 'running'
    ELSE 'failed'
  END AS state,
  '' AS family, m.migration_name::text AS rank
FROM :"schema".:"relation" AS m
GROUP BY m.migration_name

-- name: migration_ledgers_digest
-- needs: SELECT on the ledger
-- since: 14
-- params: none
-- why: one row for a ledger: a sum of hashes of what it says is applied, the same whatever the order, and what went wrong
SELECT :'number'::bigint AS number,
  pg_catalog.count(DISTINCT e.entry) FILTER (WHERE e.state = 'applied') AS applied,
  coalesce(pg_catalog.sum(DISTINCT pg_catalog.hashtextextended(e.entry, 0)) FILTER (WHERE e.state = 'applied'), 0)::text AS digest,
  coalesce(pg_catalog.min(e.entry) FILTER (WHERE e.state = 'failed'), '') AS failed,
  coalesce(pg_catalog.min(e.entry) FILTER (WHERE e.state = 'running'), '') AS running
FROM :"entries" AS e

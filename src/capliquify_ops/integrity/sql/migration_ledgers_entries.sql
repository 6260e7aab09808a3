-- name: migration_ledgers_entries
-- needs: SELECT on the ledger
-- since: 14
-- params: none
-- why: everything that one ledger says is applied
SELECT DISTINCT e.entry, e.family, e.rank
FROM :"entries" AS e
WHERE e.state = 'applied'
ORDER BY 1, 2, 3

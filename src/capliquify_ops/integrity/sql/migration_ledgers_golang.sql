-- name: migration_ledgers_golang
-- needs: SELECT on the ledger
-- since: 14
-- params: none
-- why: the version at which golang-migrate stands; it is dirty from the beginning of a migration to its success
SELECT m.version::text AS entry, CASE WHEN m.dirty THEN 'failed' ELSE 'applied' END AS state, '' AS family, m.version::text AS rank
FROM :"schema".:"relation" AS m

-- name: migration_ledgers_alembic
-- needs: SELECT on the ledger
-- since: 14
-- params: none
-- why: the heads at which Alembic stands; it keeps no history
SELECT m.version_num::text AS entry, 'applied' AS state, '' AS family, m.version_num::text AS rank
FROM :"schema".:"relation" AS m

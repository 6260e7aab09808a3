-- name: migration_ledgers_versions
-- needs: SELECT on the ledger
-- since: 14
-- params: none
-- why: the versions that Rails, Ecto, dbmate and their like have applied, one a row
SELECT m.version::text AS entry, 'applied' AS state, '' AS family, pg_catalog.lpad(m.version::text, 40, '0') AS rank
FROM :"schema".:"relation" AS m

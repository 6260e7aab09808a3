-- name: migration_ledgers_django
-- needs: SELECT on the ledger
-- since: 14
-- params: none
-- why: what Django has applied; a squashed migration stands where the last one that it replaces stood
SELECT m.app::text || '.' || m.name::text AS entry, 'applied' AS state, m.app::text AS family,
  coalesce(pg_catalog.lpad(coalesce(substring(m.name::text FROM '_squashed_(\d+)'), substring(m.name::text FROM '^\d+')), 20, '0'),
    m.name::text) AS rank
FROM :"schema".:"relation" AS m

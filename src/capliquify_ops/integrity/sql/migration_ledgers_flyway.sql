-- name: migration_ledgers_flyway
-- needs: SELECT on the ledger
-- since: 14
-- params: none
-- why: what Flyway has applied: the last row of each version, and of each repeatable script with its checksum
SELECT coalesce(h.version, h.script || '#' || h.checksum) AS entry,
  CASE WHEN NOT h.success THEN 'failed' WHEN h.type = 'DELETE' OR pg_catalog.starts_with(h.type, 'UNDO') THEN 'undone' ELSE 'applied' END
    AS state,
  CASE WHEN h.version IS NULL THEN h.script ELSE '' END AS family, pg_catalog.lpad(h.installed_rank, 20, '0') AS rank
FROM (
  SELECT DISTINCT ON (coalesce(m.version, m.script))
    m.version::text, m.script::text, coalesce(m.checksum::text, ''), m.success, m.type::text, m.installed_rank::text
  FROM :"schema".:"relation" AS m
  -- Who made the schema is no migration.
  WHERE m.type::text <> 'SCHEMA'
  ORDER BY coalesce(m.version, m.script), m.installed_rank DESC
) AS h (version, script, checksum, success, type, installed_rank)

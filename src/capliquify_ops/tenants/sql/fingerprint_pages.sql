-- name: fingerprint_pages
-- needs: nothing beyond CONNECT
-- since: 14
-- params: percent int, step int
-- why: pages of a fleet are ranges of pg_class.oid, so that no statement of the pass runs longer than its timeout
SELECT numbered.oid::bigint AS low
FROM (
  SELECT c.oid, pg_catalog.row_number() OVER (ORDER BY c.oid) AS position
  FROM pg_catalog.pg_class AS c TABLESAMPLE SYSTEM (%(percent)s::int) REPEATABLE (1)
  WHERE c.oid >= 16384
) AS numbered
WHERE numbered.position %% %(step)s::int = 0
ORDER BY numbered.oid

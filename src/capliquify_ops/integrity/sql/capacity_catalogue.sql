-- name: capacity_catalogue
-- needs: nothing
-- since: 14
-- params: none
-- why: what every session reads to plan a query: its size for each row it holds, and the rows of it that are dead
SELECT c.relname::text AS catalogue,
  -- The larger of two estimates: a catalogue looks rather too lean than bloated.
  greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid))::bigint AS rows,
  pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead_rows,
  pg_catalog.pg_total_relation_size(c.oid) AS bytes
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
  -- Those that grow with every table and hold rows of about one width.
  AND c.relname IN ('pg_attrdef', 'pg_attribute', 'pg_class', 'pg_constraint', 'pg_depend', 'pg_index', 'pg_shdepend', 'pg_trigger', 'pg_type')
ORDER BY 1

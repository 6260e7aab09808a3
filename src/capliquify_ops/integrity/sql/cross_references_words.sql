-- name: cross_references_words
-- needs: SELECT on the registry table
-- since: 14
-- params: at_most int
-- schemas: registry
-- why: functions whose settings or text hold the name of a tenant's other schema; the catalogue keeps no dependency for words
WITH tenant (oid, name) AS (
  SELECT n.oid, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
routine AS (
  SELECT p.pronamespace AS schema, p.proname || '()' AS name, (
    SELECT pg_catalog.substr(c.setting, 13) FROM pg_catalog.unnest(p.proconfig) AS c (setting) WHERE c.setting LIKE 'search\_path=%%'
  ) AS settings, p.prosrc AS body
  FROM pg_catalog.pg_proc AS p
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
),
-- Words are cut out once and met with the names by a hash join: one regular expression for each tenant would take N times as long.
text AS (
  SELECT DISTINCT r.schema, r.name, w.kind, w.text
  FROM routine AS r
  CROSS JOIN LATERAL (VALUES ('function settings', r.settings), ('function text', r.body)) AS w (kind, text)
),
word AS (
  SELECT DISTINCT t.schema, t.name, t.kind, m.word
  FROM text AS t
  CROSS JOIN LATERAL (
    -- Cut at what no unquoted name holds, in any encoding: ASCII but letters, digits, underscore and dollar.
    SELECT u.word FROM pg_catalog.regexp_split_to_table(t.text, '[\x01-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]+') AS u (word)
    UNION ALL
    SELECT pg_catalog.lower(u.word) FROM pg_catalog.regexp_split_to_table(t.text, '[\x01-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]+') AS u (word)
    UNION ALL
    -- Twice, from the first quote and from behind it: one that stands alone must not turn inside and outside round.
    SELECT pg_catalog.replace(q.found[1], '""', '"') FROM pg_catalog.regexp_matches(t.text, '"((?:[^"]|"")+)"', 'g') AS q (found)
    UNION ALL
    SELECT pg_catalog.replace(q.found[1], '""', '"')
    FROM pg_catalog.regexp_matches(pg_catalog.substr(t.text, pg_catalog.strpos(t.text, '"') + 1), '"((?:[^"]|"")+)"', 'g') AS q (found)
  ) AS m
)
SELECT DISTINCT f.oid IN (SELECT t.oid FROM tenant AS t) AS is_tenants, f.nspname::text AS from_schema, w.kind, w.name AS object, t.name AS to_schema, '' AS target
FROM word AS w
JOIN tenant AS t ON t.name = w.word AND t.oid <> w.schema
  -- A tenant may be called sales: in a text, a name of letters alone, or one that is a table's too, says nothing.
  AND (w.kind = 'function settings'
    OR (t.name !~ '^[a-z]+$' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c WHERE c.relname::text = t.name)))
JOIN pg_catalog.pg_namespace AS f ON f.oid = w.schema
ORDER BY 2, 3, 4, 5
LIMIT %(at_most)s

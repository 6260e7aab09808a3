-- name: function_safety
-- needs: SELECT on the registry table
-- since: 14
-- params: at_most int
-- schemas: registry
-- why: functions that run with their owner's rights and let the caller choose which objects their names mean
WITH tenant (oid, name) AS (
  SELECT n.oid, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
definer AS (
  SELECT coalesce(t.name, '') AS schema,
    CASE WHEN t.oid IS NULL THEN n.nspname || '.' ELSE '' END
      || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')' AS object,
    (
      SELECT pg_catalog.btrim(pg_catalog.substr(c.setting, 13))
      FROM pg_catalog.unnest(p.proconfig) AS c (setting) WHERE c.setting LIKE 'search\_path=%%'
    ) AS path
  FROM pg_catalog.pg_proc AS p
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
  LEFT JOIN tenant AS t ON t.oid = n.oid
  WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
    AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
)
SELECT f.schema, CASE WHEN f.path IS NULL THEN 'unpinned definer' ELSE 'definer with temporary objects first' END AS kind, f.object,
  coalesce(f.path, '') AS detail
FROM definer AS f
-- What the path does not mention is pg_temp first: temporary tables of the caller then stand before all others.
WHERE f.path IS NULL OR (f.path NOT IN ('', '""') AND f.path !~ '(^|,)\s*("pg_temp"|pg_temp)$')
ORDER BY 2, 3, 1
LIMIT %(at_most)s

-- name: shadowed_objects
-- needs: SELECT on the registry table
-- since: 14
-- params: shared_schemas text[], shared_tables text[], tenant_tables text[], ledgers text[], at_most int
-- schemas: registry
-- why: names that stand in a tenant's schema and in a shared one, and those that only the shared one is left to answer for
WITH shared (oid, name) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE n.nspname::text IN (:'registry_schema', 'public') OR n.nspname::text = ANY (%(shared_schemas)s::text[])
),
-- What is shared is no tenant's, whatever the registry says.
tenant (oid, name, is_live) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text, pg_catalog.bool_or(t.deleted_at IS NULL)
  FROM pg_catalog.pg_namespace AS n
  JOIN :"registry_schema".:"registry_table" AS t ON t.schema_name::text = n.nspname::text
  WHERE n.oid NOT IN (SELECT s.oid FROM shared AS s)
  GROUP BY n.oid, n.nspname
),
-- In both lists of the profile: in both places on purpose.
declared (name) AS MATERIALIZED (
  SELECT s.name FROM pg_catalog.unnest(%(shared_tables)s::text[]) AS s (name) WHERE s.name = ANY (%(tenant_tables)s::text[])
),
-- Partitions are reached through their parents, and the sequence of a column through its table.
candidate (name, text) AS MATERIALIZED (
  SELECT c.relname, pg_catalog.min(pg_catalog.concat(s.name, '.', c.relname,
    CASE WHEN c.relkind IN ('r', 'p', 'm') AND c.reltuples >= 0 THEN ' (about ' || c.reltuples::int8 || ' rows)' END))
  FROM shared AS s
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = s.oid
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
    AND NOT (c.relkind = 'S' AND EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0
    ))
  GROUP BY c.relname
),
held (oid, name) AS MATERIALIZED (
  SELECT t.oid, c.relname
  FROM candidate AS k
  JOIN pg_catalog.pg_class AS c ON c.relname = k.name
  JOIN tenant AS t ON t.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
),
-- What a tenant must have: by the profile, or because more than half of them do.
expected (name, text) AS MATERIALIZED (
  SELECT k.name, k.text
  FROM candidate AS k
  LEFT JOIN held AS h ON h.name = k.name
  LEFT JOIN tenant AS t ON t.oid = h.oid AND t.is_live
  GROUP BY k.name, k.text
  HAVING k.name::text = ANY (%(tenant_tables)s::text[]) OR (k.name::text <> ALL (%(shared_tables)s::text[])
    AND pg_catalog.count(t.oid) * 2 > (SELECT pg_catalog.count(*) FROM tenant AS l WHERE l.is_live))
),
-- Few, and so first: a fleet may hold ten thousand functions or types of one name. Those of extensions are not for tenants to hide.
routine (schema, oid) AS MATERIALIZED (
  SELECT s.name, p.oid
  FROM shared AS s
  JOIN pg_catalog.pg_proc AS p ON p.pronamespace = s.oid
  WHERE p.proname::text NOT IN (SELECT d.name FROM declared AS d) AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
  )
),
-- Neither row types of relations nor arrays and multiranges: they come and go with what they are made of.
type (schema, name) AS MATERIALIZED (
  SELECT s.name, y.typname
  FROM shared AS s
  JOIN pg_catalog.pg_type AS y ON y.typnamespace = s.oid
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = y.typrelid
  WHERE y.typtype <> 'm' AND NOT (y.typtype = 'b' AND y.typcategory = 'A') AND coalesce(c.relkind, 'c') = 'c'
    AND y.typname::text NOT IN (SELECT d.name FROM declared AS d) AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = y.oid AND d.deptype = 'e'
    )
),
fault (schema, kind, object, detail) AS (
  SELECT t.name, 'fall-through', e.name::text, e.text
  FROM expected AS e
  CROSS JOIN tenant AS t
  WHERE t.is_live AND NOT EXISTS (SELECT 1 FROM held AS h WHERE h.oid = t.oid AND h.name = e.name)
  UNION ALL
  SELECT t.name, CASE WHEN k.name::text = ANY (%(shared_tables)s::text[]) THEN 'covered shared table' ELSE 'relation in both' END,
    k.name::text, k.text
  FROM held AS h
  JOIN tenant AS t ON t.oid = h.oid
  JOIN candidate AS k ON k.name = h.name
  WHERE k.name::text <> ALL (%(ledgers)s::text[]) AND k.name::text NOT IN (SELECT d.name FROM declared AS d)
  UNION ALL
  SELECT t.name, 'extension', e.extname::text, ''
  FROM pg_catalog.pg_extension AS e
  JOIN tenant AS t ON t.oid = e.extnamespace
  UNION ALL
  -- Only arguments of the same types hide a function, others overload it. A copy that is alike does the same.
  SELECT t.name, 'function in both', p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')', k.schema || '.' || q.proname
  FROM routine AS k
  JOIN pg_catalog.pg_proc AS q ON q.oid = k.oid
  JOIN pg_catalog.pg_proc AS p ON p.proname = q.proname AND p.proargtypes = q.proargtypes
  JOIN tenant AS t ON t.oid = p.pronamespace
  WHERE p.prosecdef OR q.prosecdef OR p.prokind <> q.prokind OR p.prolang <> q.prolang OR p.prorettype <> q.prorettype
    OR p.proretset <> q.proretset OR p.prosqlbody IS NOT NULL OR q.prosqlbody IS NOT NULL
    OR (p.prosrc, p.probin, p.proconfig) IS DISTINCT FROM (q.prosrc, q.probin, q.proconfig)
  UNION ALL
  SELECT t.name, 'type in both', y.typname::text, k.schema || '.' || k.name
  FROM type AS k
  JOIN pg_catalog.pg_type AS y ON y.typname = k.name
  JOIN tenant AS t ON t.oid = y.typnamespace
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = y.typrelid
  WHERE y.typtype <> 'm' AND NOT (y.typtype = 'b' AND y.typcategory = 'A') AND coalesce(c.relkind, 'c') = 'c'
)
SELECT f.schema, f.kind, f.object, pg_catalog.min(f.detail) AS detail
FROM fault AS f
GROUP BY f.schema, f.kind, f.object
-- What is read from the wrong place comes first, however much else there is.
ORDER BY f.kind <> 'fall-through', f.kind, f.object, f.schema
LIMIT %(at_most)s

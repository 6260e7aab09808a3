-- name: function_safety
-- needs: SELECT on the registry table
-- since: 14
-- params: app text, away text[], at_most int
-- schemas: registry
-- why: functions that run with their owner's rights and let others choose which objects their names mean
WITH definer (schema, owner, object, path) AS MATERIALIZED (
  SELECT v.tenant, p.proowner,
    CASE WHEN v.tenant IS NULL THEN n.nspname || '.' ELSE '' END || p.proname || '('
      -- A type of the same schema is alike in all tenants but for the schema's name.
      || pg_catalog.ltrim(pg_catalog.replace(' ' || pg_catalog.pg_get_function_identity_arguments(p.oid),
        ' ' || pg_catalog.quote_ident(n.nspname) || '.', ' ')) || ')',
    (SELECT pg_catalog.substr(c.setting, 13) FROM pg_catalog.unnest(p.proconfig) AS c (setting) WHERE c.setting LIKE 'search\_path=%%')
  FROM pg_catalog.pg_proc AS p
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
  -- Uncorrelated, and so hashed: planners take definers for rare, and would look for each one's tenant among all.
  CROSS JOIN LATERAL (
    SELECT CASE WHEN n.nspname::text IN (SELECT t.schema_name::text FROM :"registry_schema".:"registry_table" AS t) THEN n.nspname::text END
  ) AS v (tenant)
  WHERE p.prosecdef AND n.nspname <> 'information_schema' AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
    AND n.nspname::text <> ALL (%(away)s::text[])
    AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
),
pinned AS MATERIALIZED (
  SELECT d.schema, d.owner, d.object, d.path, ARRAY(
    SELECT coalesce(pg_catalog.replace(m.found[1], '""', '"'), pg_catalog.lower(m.found[2]))
    FROM pg_catalog.regexp_matches(d.path, '"((?:[^"]|"")*)"|([^",[:space:]]+)', 'g') WITH ORDINALITY AS m (found, place)
    ORDER BY m.place
  ) AS names
  FROM definer AS d
  WHERE d.path IS NOT NULL
),
application AS (
  SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname::text = %(app)s::text
),
open (name, is_tenants, grantee, application) AS MATERIALIZED (
  SELECT n.nspname::text,
    coalesce(n.nspname::text IN (SELECT t.schema_name::text FROM :"registry_schema".:"registry_table" AS t), false),
    CASE WHEN v.is_public THEN 'PUBLIC' ELSE %(app)s::text END, CASE WHEN NOT v.is_public THEN a.oid END
  FROM pg_catalog.pg_namespace AS n
  LEFT JOIN application AS a ON true
  CROSS JOIN LATERAL (SELECT pg_catalog.has_schema_privilege('public'::name, n.oid, 'CREATE')) AS v (is_public)
  WHERE v.is_public OR pg_catalog.has_schema_privilege(a.oid, n.oid, 'CREATE')
)
SELECT coalesce(d.schema, '') AS schema, 'unpinned definer' AS kind, d.object, '' AS detail
FROM definer AS d
WHERE d.path IS NULL
UNION ALL
-- What the path does not mention is pg_temp first: temporary tables of the caller then stand before all others.
SELECT coalesce(p.schema, ''), 'definer with temporary objects first', p.object, p.path
FROM pinned AS p
WHERE pg_catalog.array_position(p.names, 'pg_temp') IS DISTINCT FROM pg_catalog.cardinality(p.names) AND p.names NOT IN ('{}', '{""}')
UNION ALL
SELECT v.schema, 'open path', v.place || ' for ' || o.grantee, pg_catalog.min(p.object)
FROM pinned AS p
CROSS JOIN LATERAL pg_catalog.unnest(p.names) AS u (name)
JOIN open AS o ON o.name = u.name
CROSS JOIN LATERAL (
  SELECT CASE WHEN o.name = p.schema THEN p.schema ELSE '' END,
    CASE WHEN o.name = p.schema THEN 'its own schema' WHEN o.is_tenants THEN 'a schema of a tenant' ELSE 'the schema ' || o.name END
) AS v (schema, place)
-- Who may become the owner gains nothing by it.
WHERE NOT coalesce(pg_catalog.pg_has_role(o.application, p.owner, 'MEMBER'), false)
GROUP BY v.schema, v.place, o.grantee
ORDER BY 2, 3, 1, 4
LIMIT %(at_most)s

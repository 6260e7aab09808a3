-- name: function_safety_bodies
-- needs: SELECT on the registry table
-- since: 14
-- params: away text[], at_most int
-- schemas: registry
-- why: the texts of PL/pgSQL functions, each once however many tenants hold it, with the names that stand in it for values
WITH routine AS MATERIALIZED (
  SELECT p.oid, p.proname, p.proargnames, n.nspname::text AS schema,
    coalesce(n.nspname::text IN (SELECT t.schema_name::text FROM :"registry_schema".:"registry_table" AS t), false) AS is_tenants,
    -- A copy of a tenant may hold the tenant's name in its texts.
    pg_catalog.md5(pg_catalog.replace(
      pg_catalog.replace(p.prosrc, '"' || pg_catalog.replace(n.nspname::text, '"', '""') || '"', ''), n.nspname::text, ''
    )) AS text,
    -- A path that starts elsewhere than in the function's own schema.
    CASE WHEN NOT pg_catalog.starts_with(s.path || ',', pg_catalog.quote_ident(n.nspname) || ',') THEN s.path END AS path,
    s.is_decided
  FROM pg_catalog.pg_proc AS p
  JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
  CROSS JOIN LATERAL (
    SELECT pg_catalog.max(pg_catalog.substr(c.setting, 13)) FILTER (WHERE c.setting LIKE 'search\_path=%%'),
      coalesce(pg_catalog.bool_or(c.setting LIKE 'plpgsql.variable\_conflict=%%'), false)
    FROM pg_catalog.unnest(p.proconfig) AS c (setting)
  ) AS s (path, is_decided)
  WHERE n.nspname <> 'information_schema' AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
    AND n.nspname::text <> ALL (%(away)s::text[])
    AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
),
alike (oid, schemas, path, is_tenants, is_decided) AS MATERIALIZED (
  SELECT pg_catalog.min(r.oid::bigint)::oid, pg_catalog.array_agg(DISTINCT r.schema), r.path, r.is_tenants, r.is_decided
  FROM routine AS r
  GROUP BY r.proname, r.proargnames, r.text, r.path, r.is_tenants, r.is_decided, CASE WHEN NOT r.is_tenants THEN r.schema END
),
-- Only a superuser sets it, for a database, a role or the server: columns and variables may then meet.
elsewhere (is_decided) AS (
  SELECT coalesce(pg_catalog.current_setting('plpgsql.variable_conflict', true), 'error') NOT IN ('', 'error') OR EXISTS (
    SELECT 1
    FROM pg_catalog.pg_db_role_setting AS s
    CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting)
    WHERE c.setting LIKE 'plpgsql.variable\_conflict=%%'
      AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))
  )
)
SELECT n.nspname::text AS schema, CASE WHEN a.is_tenants THEN a.schemas ELSE '{""}' END AS tenants,
  CASE WHEN a.is_tenants THEN '' ELSE n.nspname || '.' END || p.proname || '('
    || pg_catalog.ltrim(pg_catalog.replace(' ' || pg_catalog.pg_get_function_identity_arguments(p.oid),
      ' ' || pg_catalog.quote_ident(n.nspname) || '.', ' ')) || ')' AS object,
  p.prosrc AS body, a.path, a.is_decided OR e.is_decided AS is_decided, coalesce(p.proargnames, '{}') AS parameters,
  ARRAY(
    SELECT u.name
    FROM ROWS FROM (
      pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])), pg_catalog.unnest(p.proargnames), pg_catalog.unnest(p.proargmodes)
    ) AS u (type, name, mode)
    WHERE u.name <> '' AND coalesce(u.mode, 'i') = 'i'
      AND u.type = ANY ('{pg_catalog.text,pg_catalog.varchar,pg_catalog.name}'::pg_catalog.regtype[]::oid[])
    ORDER BY u.name
  ) AS texts
FROM alike AS a
CROSS JOIN elsewhere AS e
JOIN pg_catalog.pg_proc AS p ON p.oid = a.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
ORDER BY 3, 1, 4
LIMIT %(at_most)s

-- name: access_rights_application
-- needs: SELECT on the registry table
-- since: 14
-- params: app text, owner text, operator text, shared text[], at_most int
-- schemas: registry
-- why: what the role of the application is, may become and owns: whatever it may do, an injected statement may do for every tenant
WITH tenant (oid, name, owner) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text, n.nspowner
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
app AS MATERIALIZED (
  SELECT r.* FROM pg_catalog.pg_roles AS r WHERE r.rolname::text = %(app)s::text
),
-- From 16 on a member may lack the right to SET ROLE, and only the kind SET tells.
kind (becoming) AS (
  SELECT CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
),
-- As whom the application may act. A superuser may act as anybody, and is said to be one: no more.
acting (oid) AS MATERIALIZED (
  SELECT r.oid
  FROM app AS a
  CROSS JOIN kind AS k
  JOIN pg_catalog.pg_roles AS r ON r.oid = a.oid OR (pg_catalog.pg_has_role(a.oid, r.oid, k.becoming) AND NOT r.rolsuper)
  WHERE NOT a.rolsuper
),
membership (oid, name, kind, has_rights) AS (
  SELECT r.oid, r.rolname::text,
    CASE WHEN r.rolname IN ('pg_read_all_data', 'pg_write_all_data') THEN 'wide membership' ELSE 'application membership' END,
    r.rolsuper OR d.is_dangerous
  FROM pg_catalog.pg_roles AS r
  CROSS JOIN LATERAL (
    SELECT r.rolname::text IN (
      %(owner)s::text, %(operator)s::text, 'pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program',
      'pg_read_server_files', 'pg_write_server_files'
    )
  ) AS d (is_dangerous)
  WHERE d.is_dangerous OR r.rolsuper OR r.rolbypassrls
),
-- What is held in the name of a role: that of others than the owner, whom the application may be declared to be, or be a member of.
owner (oid) AS MATERIALIZED (
  SELECT o.oid
  FROM app AS a
  JOIN pg_catalog.pg_roles AS o ON o.rolname::text NOT IN (%(owner)s::text, 'pg_database_owner')
  WHERE NOT a.rolsuper AND pg_catalog.pg_has_role(a.oid, o.oid, 'USAGE')
),
place (oid, schema, object, owner) AS MATERIALIZED (
  SELECT t.oid, t.name, 'schema', t.owner FROM tenant AS t
  UNION ALL
  SELECT n.oid, '', 'schema ' || n.nspname, n.nspowner
  FROM pg_catalog.pg_namespace AS n WHERE n.nspname::text = ANY (%(shared)s::text[])
),
owned (schema, object, owner) AS (
  SELECT p.schema, p.object, p.owner FROM place AS p
  UNION ALL
  SELECT p.schema, 'table ' || CASE p.schema WHEN '' THEN pg_catalog.substr(p.object, 8) || '.' ELSE '' END || c.relname, c.relowner
  FROM pg_catalog.pg_class AS c
  JOIN place AS p ON p.oid = c.relnamespace
  -- As an array, which filters the scan: a join would sort all relations first.
  WHERE c.relowner = ANY (ARRAY(SELECT o.oid FROM owner AS o)) AND c.relkind IN ('r', 'p', 'f')
  UNION ALL
  SELECT '', 'database', d.datdba FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
)
SELECT '' AS schema, 'unknown application' AS kind, %(app)s::text AS object, '' AS detail
WHERE NOT EXISTS (SELECT 1 FROM app)
UNION ALL
SELECT '', v.kind, v.attribute, a.rolname::text
FROM app AS a
CROSS JOIN LATERAL (
  VALUES ('unbound application', 'SUPERUSER', a.rolsuper), ('unbound application', 'BYPASSRLS', a.rolbypassrls AND NOT a.rolsuper),
    ('powerful application', 'CREATEROLE', a.rolcreaterole AND NOT a.rolsuper),
    ('powerful application', 'REPLICATION', a.rolreplication AND NOT a.rolsuper),
    ('needless attribute', 'CREATEDB', a.rolcreatedb AND NOT a.rolsuper)
) AS v (kind, attribute, is_set)
WHERE v.is_set
UNION ALL
SELECT '', m.kind, m.name, a.rolname::text
FROM app AS a
CROSS JOIN kind AS k
JOIN membership AS m ON m.oid <> a.oid
WHERE NOT a.rolsuper AND (
  pg_catalog.pg_has_role(a.oid, m.oid, k.becoming)
  -- The right to give a role away is the right to take it. Rights are inherited, attributes are not.
  OR EXISTS (
    SELECT 1
    FROM acting AS c
    WHERE pg_catalog.pg_has_role(c.oid, m.oid, 'MEMBER WITH ADMIN OPTION')
      OR (m.has_rights AND pg_catalog.pg_has_role(c.oid, m.oid, 'USAGE'))
  )
)
UNION ALL
SELECT w.schema, 'application owns', w.object, o.rolname::text
FROM owned AS w
JOIN owner AS a ON a.oid = w.owner
JOIN pg_catalog.pg_roles AS o ON o.oid = w.owner
ORDER BY 2, 3, 1, 4
LIMIT %(at_most)s

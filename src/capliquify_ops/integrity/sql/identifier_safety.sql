-- name: identifier_safety
-- needs: SELECT on the registry table
-- since: 14
-- params: at_most int
-- schemas: registry
-- why: roles whose sessions start in one tenant's schema, by a search_path that is set for them or for the database, or by their name
WITH RECURSIVE tenant (oid, name) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
-- As the server has it: what is set for a role in this database goes before what is set for it in all. Role 0 is everybody.
setting (role, path) AS MATERIALIZED (
  SELECT DISTINCT ON (s.setrole) s.setrole, pg_catalog.substr(c.setting, pg_catalog.length('search_path=') + 1)
  FROM pg_catalog.pg_db_role_setting AS s
  CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting)
  WHERE pg_catalog.starts_with(c.setting, 'search_path=')
    AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))
  ORDER BY s.setrole, s.setdatabase DESC
),
path (role, role_name, can_login, path) AS MATERIALIZED (
  SELECT s.role, '', true, s.path FROM setting AS s WHERE s.role = 0
  UNION ALL
  SELECT r.oid, r.rolname::text, r.rolcanlogin, s.path FROM setting AS s JOIN pg_catalog.pg_roles AS r ON r.oid = s.role
  UNION ALL
  SELECT r.oid, r.rolname::text, r.rolcanlogin, coalesce((SELECT s.path FROM setting AS s WHERE s.role = 0), '"$user", public')
  FROM pg_catalog.pg_roles AS r
  JOIN tenant AS t ON t.name = r.rolname::text
  WHERE r.oid NOT IN (SELECT s.role FROM setting AS s)
),
-- Names in a path are cut and folded as in any statement; $user is the role's name, even in quotes, also for who becomes the role
-- later on. Other names of a role's path count where it logs in.
start (role, role_name, schema, schema_name, is_user) AS MATERIALIZED (
  SELECT DISTINCT p.role, p.role_name, t.oid, t.name, w.name = '$user'
  FROM path AS p
  CROSS JOIN LATERAL pg_catalog.regexp_matches(p.path, '"((?:[^"]|"")*)"|([^",\s]+)', 'g') AS m (found)
  CROSS JOIN LATERAL (
    SELECT coalesce(pg_catalog.replace(m.found[1], '""', '"'), pg_catalog.lower(m.found[2] COLLATE "C"))::pg_catalog.name::text
  ) AS w (name)
  JOIN tenant AS t ON t.name = CASE w.name WHEN '$user' THEN p.role_name ELSE w.name END
  WHERE p.can_login OR w.name = '$user'
),
member (role, of) AS (
  SELECT s.role, u.of FROM start AS s CROSS JOIN LATERAL (VALUES (s.role), (0::oid)) AS u (of)
  UNION
  SELECT r.role, m.roleid FROM member AS r JOIN pg_catalog.pg_auth_members AS m ON m.member = r.of
),
-- Of the tenants' schemas that somebody may use the first and the last one: the same for a tenant's own role.
held (grantee, first, last) AS MATERIALIZED (
  SELECT a.grantee, pg_catalog.min(t.oid), pg_catalog.max(t.oid)
  FROM tenant AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.oid
  CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) AS a
  WHERE a.privilege_type = 'USAGE'
  GROUP BY a.grantee
),
-- Where each tenant has a role of its own, that role starts in its schema, and reaches no other one.
wide (role, schema) AS MATERIALIZED (
  SELECT s.role, s.schema
  FROM start AS s
  JOIN member AS m ON m.role = s.role
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = m.of
  LEFT JOIN held AS h ON h.grantee = m.of
  WHERE s.role = 0 OR r.rolsuper OR r.rolname IN ('pg_read_all_data', 'pg_write_all_data') OR h.first <> s.schema OR h.last <> s.schema
)
SELECT s.schema_name AS schema, CASE WHEN s.is_user THEN 'named like a role' ELSE 'search_path' END AS kind,
  CASE WHEN s.is_user THEN '$user' WHEN s.role = 0 THEN 'of the database' ELSE 'of the role ' || s.role_name END AS object,
  '' AS detail
FROM start AS s
WHERE (s.role, s.schema) IN (SELECT w.role, w.schema FROM wide AS w)
ORDER BY 2 DESC, 3, 1
LIMIT %(at_most)s

-- name: access_rights
-- needs: SELECT on the registry table
-- since: 14
-- params: known text[], at_most int
-- schemas: registry
-- why: who beyond the deployment's own roles may do anything in the schemas of tenants, or will in those that are still to come
WITH RECURSIVE tenant (oid, name, owner, acl) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text, n.nspowner, n.nspacl
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
named (oid) AS MATERIALIZED (
  SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname::text = ANY (%(known)s::text[])
  UNION
  SELECT c.relowner
  FROM pg_catalog.pg_class AS c
  WHERE c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(:'registry_schema') || '.' || pg_catalog.quote_ident(:'registry_table'))
),
known (oid) AS MATERIALIZED (
  SELECT n.oid FROM named AS n
  UNION
  SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolsuper OR pg_catalog.starts_with(r.rolname::text, 'pg_')
),
relation (oid, schema, name, owner, acl) AS MATERIALIZED (
  SELECT c.oid, t.name, c.relname::text, c.relowner, c.relacl
  FROM pg_catalog.pg_class AS c JOIN tenant AS t ON t.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
),
-- Tenants' tables have few different lists of rights: each is taken apart once, however many relations have it.
entry (acl, grantee, rights) AS MATERIALIZED (
  SELECT d.acl, x.grantee, x.rights
  FROM (SELECT DISTINCT r.acl FROM relation AS r WHERE r.acl IS NOT NULL) AS d
  CROSS JOIN LATERAL (
    SELECT e.grantee, pg_catalog.string_agg(DISTINCT e.privilege_type, ', ') FROM pg_catalog.aclexplode(d.acl) AS e GROUP BY e.grantee
  ) AS x (grantee, rights)
),
holding (schema, role, part, object, rights) AS MATERIALIZED (
  SELECT t.name, x.grantee, 'schema', '', pg_catalog.string_agg(DISTINCT x.privilege_type, ', ')
  FROM tenant AS t CROSS JOIN LATERAL pg_catalog.aclexplode(t.acl) AS x
  WHERE x.grantee <> t.owner AND NOT EXISTS (SELECT 1 FROM known AS k WHERE k.oid = x.grantee)
  GROUP BY t.name, x.grantee
  UNION ALL
  SELECT r.schema, e.grantee, 'relations', r.name, e.rights
  FROM relation AS r JOIN entry AS e ON e.acl = r.acl AND e.grantee <> r.owner
  WHERE NOT EXISTS (SELECT 1 FROM known AS k WHERE k.oid = e.grantee)
  UNION ALL
  SELECT r.schema, x.grantee, 'columns', r.name || '.' || a.attname, pg_catalog.string_agg(DISTINCT x.privilege_type, ', ')
  FROM pg_catalog.pg_attribute AS a
  JOIN relation AS r ON r.oid = a.attrelid
  CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS x
  WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND NOT EXISTS (SELECT 1 FROM known AS k WHERE k.oid = x.grantee)
  GROUP BY r.schema, r.name, a.attname, x.grantee
  UNION ALL
  SELECT t.name, x.grantee, 'future relations', CASE d.defaclobjtype WHEN 'r' THEN 'tables' ELSE 'sequences' END,
    pg_catalog.string_agg(DISTINCT x.privilege_type, ', ')
  FROM pg_catalog.pg_default_acl AS d
  JOIN tenant AS t ON t.oid = d.defaclnamespace
  CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS x
  WHERE d.defaclobjtype IN ('r', 'S') AND NOT EXISTS (SELECT 1 FROM known AS k WHERE k.oid = x.grantee)
  GROUP BY t.name, x.grantee, d.defaclobjtype
  UNION ALL
  SELECT o.schema, o.owner, o.part, '', 'ownership'
  FROM (SELECT t.name, t.owner, 'schema' FROM tenant AS t UNION SELECT r.schema, r.owner, 'relations' FROM relation AS r) AS o (schema, owner, part)
  WHERE NOT EXISTS (SELECT 1 FROM known AS k WHERE k.oid = o.owner)
),
right_of (role, schema, rights) AS MATERIALIZED (
  SELECT h.role, h.schema, pg_catalog.string_agg(DISTINCT h.rights || ' of ' || h.part, '; ')
  FROM holding AS h WHERE h.role <> 0
  GROUP BY h.role, h.schema
),
-- A role of one tenant alone is a layout; a role of two is not.
wide (role) AS MATERIALIZED (
  SELECT r.role FROM right_of AS r GROUP BY r.role HAVING pg_catalog.count(*) > 1
),
-- Who is a member of several tenants' roles holds the rights of all, and none in its own name; so does who reads all data.
member (role, holder) AS (
  SELECT s.role, s.role
  FROM (
    SELECT r.role FROM right_of AS r WHERE NOT EXISTS (SELECT 1 FROM wide AS w WHERE w.role = r.role)
    UNION
    SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ('pg_read_all_data', 'pg_write_all_data')
  ) AS s
  UNION
  SELECT m.member, o.holder
  FROM member AS o JOIN pg_catalog.pg_auth_members AS m ON m.roleid = o.role
  WHERE NOT EXISTS (SELECT 1 FROM known AS k WHERE k.oid = m.member) AND NOT EXISTS (SELECT 1 FROM wide AS w WHERE w.role = m.member)
),
indirect (role, holder) AS MATERIALIZED (
  SELECT m.role, m.holder
  FROM member AS m
  -- From 16 on a membership may give neither: it is held to administer the role.
  WHERE pg_catalog.pg_has_role(m.role, m.holder, 'USAGE')
    OR pg_catalog.pg_has_role(m.role, m.holder,
      CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
),
reach (role, schema, holder) AS MATERIALIZED (
  SELECT i.role, r.schema, pg_catalog.min(pg_catalog.pg_get_userbyid(i.holder)::text)
  FROM indirect AS i JOIN right_of AS r ON r.role = i.holder
  GROUP BY i.role, r.schema
)
SELECT h.schema,
  CASE h.part WHEN 'schema' THEN 'open schema' WHEN 'future relations' THEN 'default privilege' ELSE 'open relation' END AS kind,
  CASE h.part WHEN 'schema' THEN h.rights WHEN 'future relations' THEN h.object || ' to PUBLIC' ELSE h.object END AS object,
  h.rights AS detail
FROM holding AS h
WHERE h.role = 0
UNION ALL
SELECT r.schema, 'foreign role', pg_catalog.pg_get_userbyid(r.role)::text, r.rights
FROM right_of AS r JOIN wide AS w ON w.role = r.role
UNION ALL
SELECT i.schema, 'foreign role', pg_catalog.pg_get_userbyid(i.role)::text, 'as ' || i.holder
FROM reach AS i
WHERE EXISTS (SELECT 1 FROM reach AS o WHERE o.role = i.role AND o.schema <> i.schema)
UNION ALL
-- Administrators, whom platforms make members of these, may create roles.
SELECT '', 'foreign role', r.rolname::text, 'as ' || pg_catalog.pg_get_userbyid(i.holder)::text
FROM indirect AS i
JOIN pg_catalog.pg_roles AS r ON r.oid = i.role AND NOT r.rolcreaterole AND i.role <> i.holder
WHERE NOT EXISTS (SELECT 1 FROM right_of AS h WHERE h.role = i.holder)
UNION ALL
SELECT '', 'default privilege',
  CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' ELSE 'schemas' END || ' to '
    || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(x.grantee)::text END,
  pg_catalog.string_agg(DISTINCT x.privilege_type, ', ')
FROM pg_catalog.pg_default_acl AS d
CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS x
WHERE d.defaclnamespace = 0 AND d.defaclobjtype IN ('r', 'S', 'n') AND x.grantee <> d.defaclrole
  AND NOT EXISTS (SELECT 1 FROM known AS k WHERE k.oid = x.grantee)
  -- What somebody else gives away of objects of his own is no tenant's.
  AND (EXISTS (SELECT 1 FROM named AS n WHERE n.oid = d.defaclrole) OR EXISTS (SELECT 1 FROM tenant AS t WHERE t.owner = d.defaclrole)
    OR EXISTS (SELECT 1 FROM relation AS r WHERE r.owner = d.defaclrole))
GROUP BY d.defaclobjtype, x.grantee
UNION ALL
-- Nobody can call a function of a trigger.
SELECT DISTINCT t.name, 'open function', p.proname || '()', ''
FROM pg_catalog.pg_proc AS p
JOIN tenant AS t ON t.oid = p.pronamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS x
WHERE p.prosecdef AND x.grantee = 0
  AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
ORDER BY 2, 3, 1, 4
LIMIT %(at_most)s

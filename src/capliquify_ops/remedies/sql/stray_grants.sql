-- name: stray_grants
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schemas text[], roles text[], app text
-- why: each grant to PUBLIC or to some roles in some schemas, and whether the application, or whom the role gave it on to, would miss it
WITH tenant AS MATERIALIZED (
  SELECT n.oid, n.nspname::text AS name, n.nspowner AS owner, n.nspacl AS acl
  FROM pg_catalog.pg_namespace AS n WHERE n.nspname::text = ANY (%(schemas)s::text[])
),
grantee (oid, name) AS MATERIALIZED (
  SELECT 0::oid, ''
  UNION ALL
  SELECT r.oid, r.rolname::text FROM pg_catalog.pg_roles AS r WHERE r.rolname::text = ANY (%(roles)s::text[])
),
app (oid) AS MATERIALIZED (
  SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname::text = %(app)s::text
),
listed (schema, relation, attribute, owner, acl, wider) AS (
  SELECT t.name, '', '', t.owner, t.acl, NULL::aclitem[] FROM tenant AS t WHERE t.acl IS NOT NULL
  UNION ALL
  SELECT t.name, c.relname::text, '', c.relowner, c.relacl, NULL
  FROM tenant AS t
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = t.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relacl IS NOT NULL
  UNION ALL
  SELECT t.name, c.relname::text, a.attname::text, c.relowner, a.attacl, c.relacl
  FROM tenant AS t
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = t.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
)
SELECT l.schema, g.name AS role, l.relation, l.attribute, pg_catalog.string_agg(DISTINCT x.privilege_type, ', ') AS rights,
  g.oid = 0 AND pg_catalog.bool_or(EXISTS (SELECT 1 FROM app AS a WHERE NOT EXISTS (
    -- By membership it may have it too: then nothing is lost, and a person is asked all the same.
    SELECT 1 FROM pg_catalog.aclexplode(l.acl) AS y WHERE y.grantee = a.oid AND y.privilege_type = x.privilege_type
    UNION ALL
    SELECT 1 FROM pg_catalog.aclexplode(l.wider) AS y WHERE y.grantee = a.oid AND y.privilege_type = x.privilege_type
  ))) AS is_needed,
  pg_catalog.bool_or(g.oid <> 0 AND EXISTS (SELECT 1 FROM pg_catalog.aclexplode(l.acl) AS y WHERE y.grantor = g.oid)) AS is_given_on
FROM listed AS l
CROSS JOIN LATERAL pg_catalog.aclexplode(l.acl) AS x
JOIN grantee AS g ON g.oid = x.grantee
WHERE x.grantee <> l.owner
GROUP BY l.schema, g.oid, g.name, l.relation, l.attribute
ORDER BY 1, 2, 3, 4

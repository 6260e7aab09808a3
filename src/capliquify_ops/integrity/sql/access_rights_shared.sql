-- name: access_rights_shared
-- needs: SELECT on the registry table
-- since: 14
-- params: app text, shared text[], columns text[], is_ours bool, at_most int
-- schemas: registry
-- why: in shared tables nothing but row security keeps tenants apart, and it can be there without binding anybody
WITH RECURSIVE app AS MATERIALIZED (
  SELECT r.oid, r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname::text = %(app)s::text
),
shared (oid, name, owner, acl) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace AS n WHERE n.nspname::text = ANY (%(shared)s::text[])
),
relation (oid, name, acl, is_registry, is_on, is_forced, owner, has_tenants, is_owned, is_used) AS MATERIALIZED (
  SELECT c.oid, s.name || '.' || c.relname, c.relacl, v.is_registry, c.relrowsecurity, c.relforcerowsecurity, c.relowner,
    NOT v.is_registry AND EXISTS (
      SELECT 1
      FROM pg_catalog.pg_attribute AS t
      WHERE t.attrelid = c.oid AND t.attname::text = ANY (%(columns)s::text[])
    ),
    coalesce(pg_catalog.pg_has_role(a.oid, c.relowner, 'USAGE') AND NOT a.rolsuper, false),
    -- Without a role to ask about, every table is taken for one that the application uses.
    coalesce(
      pg_catalog.has_table_privilege(a.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
        OR pg_catalog.has_any_column_privilege(a.oid, c.oid, 'SELECT, INSERT, UPDATE'),
      true
    )
  FROM shared AS s
  -- Through pg_depend: pg_class has no index on relnamespace.
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = s.oid
    AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relnamespace = s.oid
  CROSS JOIN LATERAL (
    SELECT c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(:'registry_schema') || '.' || pg_catalog.quote_ident(:'registry_table'))
  ) AS v (is_registry)
  LEFT JOIN app AS a ON true
  WHERE c.relkind IN ('r', 'p')
),
policy (relation, name, command, is_permissive, reads_all, writes_all) AS MATERIALIZED (
  SELECT p.polrelid, p.polname::text, p.polcmd, p.polpermissive,
    coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true', false),
    coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) = 'true', false)
  FROM pg_catalog.pg_policy AS p
  JOIN relation AS r ON r.oid = p.polrelid
  WHERE 0 = ANY (p.polroles)
    OR EXISTS (SELECT 1 FROM app AS a, pg_catalog.unnest(p.polroles) AS u (role) WHERE pg_catalog.pg_has_role(a.oid, u.role, 'USAGE'))
),
-- A deployment without any row security keeps tenants apart otherwise: by its own decision, and beyond what a catalogue tells.
design (has_row_security) AS MATERIALIZED (
  SELECT %(is_ours)s::bool OR EXISTS (
    SELECT 1
    FROM relation AS r
    WHERE r.has_tenants AND (r.is_on OR EXISTS (SELECT 1 FROM pg_catalog.pg_policy AS p WHERE p.polrelid = r.oid))
  )
),
view (oid, reads, owner, is_invoker) AS MATERIALIZED (
  SELECT DISTINCT c.oid, d.refobjid, c.relowner, coalesce((
    SELECT q.option_value::bool FROM pg_catalog.pg_options_to_table(c.reloptions) AS q WHERE q.option_name = 'security_invoker'
  ), false)
  FROM pg_catalog.pg_rewrite AS w
  JOIN pg_catalog.pg_class AS c ON c.oid = w.ev_class AND c.relkind IN ('v', 'm')
  JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> c.oid
),
-- From each table upwards: rows are filtered for the owner of the first view on the way that is not its invoker's.
reading (oid, relation, is_invoker, is_past) AS (
  SELECT r.oid, r.oid, true, false FROM relation AS r WHERE r.is_on
  UNION
  SELECT v.oid, r.oid, v.is_invoker,
    e.is_past OR (NOT v.is_invoker
      AND (o.rolsuper OR o.rolbypassrls OR (NOT r.is_forced AND pg_catalog.pg_has_role(o.oid, r.owner, 'USAGE'))))
  FROM reading AS e
  JOIN view AS v ON v.reads = e.oid
  JOIN relation AS r ON r.oid = e.relation
  JOIN pg_catalog.pg_roles AS o ON o.oid = v.owner
  WHERE e.is_past OR e.is_invoker
)
SELECT '' AS schema, 'row security off' AS kind, r.name AS object,
  CASE WHEN r.is_on THEN 'it does not hold for its owner, as whom the application acts' ELSE 'it is not enabled' END AS detail
FROM relation AS r
CROSS JOIN design AS d
WHERE r.has_tenants AND r.is_used AND CASE WHEN r.is_on THEN r.is_owned AND NOT r.is_forced ELSE d.has_row_security END
UNION ALL
SELECT '', 'row security not forced', r.name, ''
FROM relation AS r
WHERE r.has_tenants AND r.is_used AND r.is_on AND NOT r.is_forced AND NOT r.is_owned
UNION ALL
SELECT '', 'open policy', r.name || '.' || p.name, CASE WHEN p.reads_all THEN 'USING (true)' ELSE 'WITH CHECK (true)' END
FROM relation AS r
JOIN policy AS p ON p.relation = r.oid AND p.is_permissive AND (p.reads_all OR p.writes_all)
-- Restrictive policies narrow what a permissive one opens: together they are a design.
WHERE r.has_tenants AND r.is_used AND r.is_on AND NOT EXISTS (
  SELECT 1
  FROM policy AS n
  WHERE n.relation = r.oid AND NOT n.is_permissive AND n.command IN ('*', p.command) AND NOT (n.reads_all OR n.writes_all)
)
UNION ALL
SELECT DISTINCT coalesce(t.name, ''), 'view past row security', CASE WHEN t.name IS NULL THEN n.nspname || '.' ELSE '' END || c.relname,
  r.name
FROM reading AS e
JOIN relation AS r ON r.oid = e.relation
JOIN pg_catalog.pg_class AS c ON c.oid = e.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT n.nspname::text
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS g WHERE g.schema_name::text = n.nspname::text)
) AS t (name) ON true
LEFT JOIN app AS a ON true
WHERE e.is_past AND NOT e.is_invoker
  AND coalesce(pg_catalog.has_table_privilege(a.oid, e.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(a.oid, e.oid, 'SELECT'), true)
UNION ALL
SELECT DISTINCT '', 'open shared schema', s.name, x.privilege_type
FROM shared AS s
CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(s.acl, pg_catalog.acldefault('n', s.owner))) AS x
WHERE x.grantee = 0 AND x.privilege_type = 'CREATE'
UNION ALL
SELECT '', 'open shared table', r.name, pg_catalog.string_agg(DISTINCT x.privilege_type, ', ')
FROM relation AS r
CROSS JOIN LATERAL pg_catalog.aclexplode(r.acl) AS x
WHERE (r.has_tenants OR r.is_registry) AND x.grantee = 0
GROUP BY r.name
ORDER BY 2, 3, 1, 4
LIMIT %(at_most)s

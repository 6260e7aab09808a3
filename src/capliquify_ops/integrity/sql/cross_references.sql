-- name: cross_references
-- needs: SELECT on the registry table
-- since: 14
-- params: at_most int
-- schemas: registry
-- why: whatever stands in one schema and hangs on an object of a tenant's other schema, by the catalogue's own dependencies
WITH tenant (oid, name) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
-- Only what somebody wrote down leads elsewhere: dependencies of type n. Those of type a tie an object to its own table, whose schema
-- it shares; inheritance is asked of pg_inherits, since partitions hang on their parents by type a too.
edge (classid, objid, schema, target) AS MATERIALIZED (
  SELECT d.classid, d.objid, c.relnamespace, c.relname::text
  FROM pg_catalog.pg_depend AS d
  JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND c.relkind NOT IN ('i', 'I', 't')
  JOIN tenant AS t ON t.oid = c.relnamespace
  WHERE d.deptype = 'n' AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    -- Columns that a generated one uses are of its own table. Constraints are asked for below, with a join that the planner can count.
    AND d.classid <> 'pg_catalog.pg_constraint'::pg_catalog.regclass
    AND NOT (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.refobjsubid > 0)
  UNION ALL
  SELECT d.classid, d.objid, y.relnamespace, y.relname::text
  FROM pg_catalog.pg_depend AS d
  JOIN pg_catalog.pg_constraint AS k ON k.oid = d.objid
  JOIN pg_catalog.pg_class AS y ON y.oid = d.refobjid AND y.relnamespace <> k.connamespace
  WHERE d.deptype = 'n' AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION ALL
  SELECT d.classid, d.objid, p.pronamespace, p.proname || '()'
  FROM pg_catalog.pg_depend AS d
  JOIN pg_catalog.pg_proc AS p ON p.oid = d.refobjid
  JOIN tenant AS t ON t.oid = p.pronamespace
  WHERE d.deptype = 'n' AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  UNION ALL
  SELECT d.classid, d.objid, y.typnamespace, y.typname::text
  FROM pg_catalog.pg_depend AS d
  JOIN pg_catalog.pg_type AS y ON y.oid = d.refobjid
  JOIN tenant AS t ON t.oid = y.typnamespace
  WHERE d.deptype = 'n' AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
),
-- Where each dependent stands: what has no schema of its own stands where its table does.
source (schema, kind, name, to_schema, target) AS (
  SELECT c.relnamespace,
    CASE WHEN c.relkind IN ('i', 'I') THEN 'index' WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END, c.relname::text,
    e.schema, e.target
  FROM edge AS e JOIN pg_catalog.pg_class AS c ON c.oid = e.objid
  WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION ALL
  SELECT c.relnamespace, 'table', c.relname::text, p.relnamespace, p.relname::text
  FROM pg_catalog.pg_inherits AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relkind NOT IN ('i', 'I')
  JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
  UNION ALL
  SELECT k.connamespace, CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, pg_catalog.concat_ws('.', c.relname, k.conname),
    e.schema, e.target
  FROM edge AS e
  JOIN pg_catalog.pg_constraint AS k ON k.oid = e.objid
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
  WHERE e.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.connamespace <> e.schema
  UNION ALL
  SELECT c.relnamespace, 'default', pg_catalog.concat_ws('.', c.relname, a.attname), e.schema, e.target
  FROM edge AS e
  JOIN pg_catalog.pg_attrdef AS d ON d.oid = e.objid
  JOIN pg_catalog.pg_class AS c ON c.oid = d.adrelid AND c.relnamespace <> e.schema
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  WHERE e.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
  UNION ALL
  SELECT c.relnamespace, CASE WHEN r.rulename = '_RETURN' THEN 'view' ELSE 'rule' END,
    CASE WHEN r.rulename = '_RETURN' THEN c.relname::text ELSE pg_catalog.concat_ws('.', c.relname, r.rulename) END, e.schema, e.target
  FROM edge AS e
  JOIN pg_catalog.pg_rewrite AS r ON r.oid = e.objid
  JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
  WHERE e.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  UNION ALL
  SELECT c.relnamespace, 'trigger', pg_catalog.concat_ws('.', c.relname, g.tgname), e.schema, e.target
  FROM edge AS e
  JOIN pg_catalog.pg_trigger AS g ON g.oid = e.objid AND NOT g.tgisinternal
  JOIN pg_catalog.pg_class AS c ON c.oid = g.tgrelid
  WHERE e.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
  UNION ALL
  SELECT c.relnamespace, 'policy', pg_catalog.concat_ws('.', c.relname, o.polname), e.schema, e.target
  FROM edge AS e
  JOIN pg_catalog.pg_policy AS o ON o.oid = e.objid
  JOIN pg_catalog.pg_class AS c ON c.oid = o.polrelid
  WHERE e.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
  UNION ALL
  SELECT p.pronamespace, 'function', p.proname || '()', e.schema, e.target
  FROM edge AS e JOIN pg_catalog.pg_proc AS p ON p.oid = e.objid
  WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  UNION ALL
  SELECT y.typnamespace, 'type', y.typname::text, e.schema, e.target
  FROM edge AS e JOIN pg_catalog.pg_type AS y ON y.oid = e.objid
  WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
)
SELECT DISTINCT f.oid IN (SELECT t.oid FROM tenant AS t) AS is_tenants, f.nspname::text AS from_schema, s.kind, s.name AS object, t.name AS to_schema, s.target
FROM source AS s
JOIN tenant AS t ON t.oid = s.to_schema
JOIN pg_catalog.pg_namespace AS f ON f.oid = s.schema
WHERE s.schema <> s.to_schema
ORDER BY 2, 3, 4, 5, 6
LIMIT %(at_most)s

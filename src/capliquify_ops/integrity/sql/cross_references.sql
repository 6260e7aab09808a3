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
-- Made first, and met by hash joins: estimates for a union of catalogues are no guide.
target (classid, oid, schema, name) AS MATERIALIZED (
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, c.oid, c.relnamespace, c.relname::text
  FROM pg_catalog.pg_class AS c JOIN tenant AS t ON t.oid = c.relnamespace WHERE c.relkind <> 't'
  UNION ALL
  SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::oid, p.oid, p.pronamespace, p.proname || '()'
  FROM pg_catalog.pg_proc AS p JOIN tenant AS t ON t.oid = p.pronamespace
  UNION ALL
  SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::oid, y.oid, y.typnamespace, y.typname::text
  FROM pg_catalog.pg_type AS y JOIN tenant AS t ON t.oid = y.typnamespace
),
edge (classid, objid, schema, target) AS MATERIALIZED (
  SELECT d.classid, d.objid, x.schema, x.name
  FROM pg_catalog.pg_depend AS d
  JOIN target AS x ON x.classid = d.refclassid AND x.oid = d.refobjid
  WHERE d.deptype IN ('n', 'a', 'P', 'S')
),
-- Where each dependent stands: what has no schema of its own stands where its table does.
source (classid, oid, schema, kind, name) AS (
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, c.oid, c.relnamespace,
    CASE WHEN c.relkind IN ('i', 'I') THEN 'index' WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END, c.relname::text
  FROM pg_catalog.pg_class AS c WHERE c.relkind <> 't'
  UNION ALL
  SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, k.oid, k.connamespace,
    CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, pg_catalog.concat_ws('.', c.relname, k.conname)
  FROM pg_catalog.pg_constraint AS k LEFT JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
  UNION ALL
  SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::oid, d.oid, c.relnamespace, 'default', pg_catalog.concat_ws('.', c.relname, a.attname)
  FROM pg_catalog.pg_attrdef AS d
  JOIN pg_catalog.pg_class AS c ON c.oid = d.adrelid
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  UNION ALL
  SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::oid, r.oid, c.relnamespace,
    CASE WHEN r.rulename = '_RETURN' THEN 'view' ELSE 'rule' END,
    CASE WHEN r.rulename = '_RETURN' THEN c.relname::text ELSE pg_catalog.concat_ws('.', c.relname, r.rulename) END
  FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
  UNION ALL
  SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::oid, g.oid, c.relnamespace, 'trigger', pg_catalog.concat_ws('.', c.relname, g.tgname)
  FROM pg_catalog.pg_trigger AS g JOIN pg_catalog.pg_class AS c ON c.oid = g.tgrelid WHERE NOT g.tgisinternal
  UNION ALL
  SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass::oid, o.oid, c.relnamespace, 'policy', pg_catalog.concat_ws('.', c.relname, o.polname)
  FROM pg_catalog.pg_policy AS o JOIN pg_catalog.pg_class AS c ON c.oid = o.polrelid
  UNION ALL
  SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::oid, p.oid, p.pronamespace, 'function', p.proname || '()' FROM pg_catalog.pg_proc AS p
  UNION ALL
  SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::oid, y.oid, y.typnamespace, 'type', y.typname::text FROM pg_catalog.pg_type AS y
)
SELECT DISTINCT f.nspname::text AS from_schema, s.kind, s.name AS object, t.name AS to_schema, e.target
FROM edge AS e
JOIN source AS s ON s.classid = e.classid AND s.oid = e.objid AND s.schema <> e.schema
JOIN tenant AS t ON t.oid = e.schema
JOIN pg_catalog.pg_namespace AS f ON f.oid = s.schema
ORDER BY 1, 2, 3, 4, 5
LIMIT %(at_most)s

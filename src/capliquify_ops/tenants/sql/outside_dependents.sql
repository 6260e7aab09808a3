-- name: outside_dependents
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text
-- why: what would die with a schema and does not belong to it; asked in any database, with our product or without
WITH RECURSIVE space AS (
  SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %(schema)s::text
),
inside (classid, objid) AS (
  SELECT d.classid, d.objid
  FROM space
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = space.oid
    AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
  UNION
  SELECT d.classid, d.objid
  FROM inside AS i
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = i.classid AND d.refobjid = i.objid AND d.deptype IN ('a', 'i', 'P', 'S')
),
dependents AS (
  SELECT d.classid, d.objid, d.objsubid
  FROM inside AS i
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = i.classid AND d.refobjid = i.objid AND d.deptype NOT IN ('a', 'i', 'P', 'S')
  WHERE NOT EXISTS (SELECT 1 FROM inside AS own WHERE own.classid = d.classid AND own.objid = d.objid)
  UNION
  SELECT d.classid, d.objid, 0
  FROM space
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = space.oid
    AND d.classid = 'pg_catalog.pg_extension'::pg_catalog.regclass
  UNION
  -- A partition depends on its parent as a part does, wherever it stands.
  SELECT i.classid, i.objid, 0
  FROM inside AS i
  JOIN pg_catalog.pg_class AS c ON i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = i.objid
  WHERE c.relnamespace <> (SELECT oid FROM space) AND c.relnamespace <> 'pg_toast'::pg_catalog.regnamespace
)
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) AS dependent
FROM dependents AS d
ORDER BY 1
LIMIT 21

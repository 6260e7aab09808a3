-- name: changes
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema oid
-- why: one number that changes with any definition in a schema, and with TRUNCATE; statistics and vacuum leave it alone
WITH RECURSIVE inside (classid, objid) AS (
  SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, %(schema)s::oid
  UNION
  SELECT d.classid, d.objid
  FROM inside AS i
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = i.classid AND d.refobjid = i.objid
    AND (d.deptype IN ('a', 'i', 'P', 'S') OR i.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass)
),
version (object, id) AS (
  SELECT n.oid, n.xmin::text FROM inside AS i JOIN pg_catalog.pg_namespace AS n
    ON i.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND n.oid = i.objid
  UNION ALL
  SELECT c.oid, c.xmin::text FROM inside AS i JOIN pg_catalog.pg_class AS c
    ON i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = i.objid
  UNION ALL
  SELECT a.attrelid, a.xmin::text FROM inside AS i JOIN pg_catalog.pg_attribute AS a
    ON i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND a.attrelid = i.objid AND a.attnum > 0
  UNION ALL
  SELECT k.oid, k.xmin::text FROM inside AS i JOIN pg_catalog.pg_constraint AS k
    ON i.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = i.objid
  UNION ALL
  SELECT t.oid, t.xmin::text FROM inside AS i JOIN pg_catalog.pg_trigger AS t
    ON i.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = i.objid
  UNION ALL
  SELECT t.oid, t.xmin::text FROM inside AS i JOIN pg_catalog.pg_type AS t
    ON i.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = i.objid
  UNION ALL
  SELECT e.oid, e.xmin::text FROM inside AS i JOIN pg_catalog.pg_enum AS e
    ON i.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.enumtypid = i.objid
  UNION ALL
  SELECT p.oid, p.xmin::text FROM inside AS i JOIN pg_catalog.pg_proc AS p
    ON i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = i.objid
  UNION ALL
  SELECT d.oid, d.xmin::text FROM inside AS i JOIN pg_catalog.pg_attrdef AS d
    ON i.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.oid = i.objid
  UNION ALL
  SELECT r.oid, r.xmin::text FROM inside AS i JOIN pg_catalog.pg_rewrite AS r
    ON i.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = i.objid
  UNION ALL
  SELECT p.oid, p.xmin::text FROM inside AS i JOIN pg_catalog.pg_policy AS p
    ON i.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.oid = i.objid
  UNION ALL
  SELECT q.seqrelid, q.xmin::text FROM inside AS i JOIN pg_catalog.pg_sequence AS q
    ON i.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND q.seqrelid = i.objid
  UNION ALL
  SELECT i.objid, i.classid::text FROM inside AS i
)
SELECT pg_catalog.sum(pg_catalog.hashtextextended(v.object::text || ' ' || v.id, 0))::text AS digest
FROM version AS v
ORDER BY 1

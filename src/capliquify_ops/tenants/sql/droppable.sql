-- name: droppable
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text
-- why: what to drop in which order, and how many locks each takes: everything that depends on it, and the tables it hangs on
WITH RECURSIVE space AS (
  SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %(schema)s::text
),
members AS (
  SELECT d.classid, d.objid, o.type, o.identity
  FROM space
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = space.oid AND d.deptype = 'n'
    AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
  CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS o
  -- An inner part (an identity's sequence, a range's constructor) goes with its whole and never alone.
  WHERE NOT EXISTS (
    SELECT 1
    FROM pg_catalog.pg_depend AS w
    WHERE w.classid = d.classid AND w.objid = d.objid AND w.deptype = 'i'
      AND (w.refclassid, w.refobjid) <> (d.classid, d.objid)
  )
),
roots AS (
  SELECT 1 AS rank, k.tableoid AS classid, k.oid AS objid,
    pg_catalog.format('foreign key %%I of %%s', k.conname, m.identity) AS what,
    '' AS hold,
    pg_catalog.format('ALTER TABLE IF EXISTS %%s DROP CONSTRAINT IF EXISTS %%I', m.identity, k.conname) AS statement
  FROM members AS m
  JOIN pg_catalog.pg_constraint AS k ON k.conrelid = m.objid AND k.contype = 'f' AND k.conparentid = 0
  WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION ALL
  SELECT CASE WHEN m.type IN ('view', 'materialized view') THEN 2 WHEN m.type IN ('table', 'foreign table') THEN 3 ELSE 4 END,
    m.classid, m.objid, m.type || ' ' || m.identity,
    CASE WHEN m.type = 'table' THEN pg_catalog.format('LOCK TABLE %%s IN ACCESS EXCLUSIVE MODE', m.identity) ELSE '' END,
    pg_catalog.format(
      'DROP %%s IF EXISTS %%s CASCADE',
      CASE
        WHEN m.type IN ('function', 'procedure', 'aggregate') THEN 'ROUTINE'
        WHEN m.type = 'statistics object' THEN 'STATISTICS'
        ELSE pg_catalog.upper(m.type)
      END,
      m.identity
    )
  FROM members AS m
),
doomed (root, classid, objid) AS (
  SELECT r.objid, r.classid, r.objid FROM roots AS r
  UNION
  SELECT w.root, d.classid, d.objid
  FROM doomed AS w
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = w.classid AND d.refobjid = w.objid
)
SELECT r.rank, r.what, r.hold, r.statement, pg_catalog.count(*)::int + 2 AS locks
FROM roots AS r
JOIN doomed AS w ON w.root = r.objid
GROUP BY r.rank, r.what, r.hold, r.statement, r.objid
ORDER BY r.rank, locks, r.objid

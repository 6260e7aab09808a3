-- name: uncarried
-- needs: nothing beyond CONNECT
-- since: 14
-- params: classes oid[], objects oid[]
-- why: what a plain script does not carry: security labels, and what hangs on types and routines outside any schema
WITH inside (class, object) AS (
  SELECT o.class, o.object
  FROM ROWS FROM (pg_catalog.unnest(%(classes)s::oid[]), pg_catalog.unnest(%(objects)s::oid[])) AS o (class, object)
)
SELECT true AS is_refused, 'a security label on ' || pg_catalog.pg_describe_object(l.classoid, l.objoid, 0) AS name
FROM inside AS i
JOIN pg_catalog.pg_seclabel AS l ON l.objoid = i.object AND l.classoid = i.class
UNION ALL
SELECT false, pg_catalog.pg_describe_object(e.classid, e.objid, 0)
FROM inside AS i
CROSS JOIN LATERAL (
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d WHERE d.refclassid = i.class AND d.refobjid = i.object
    AND d.classid IN ('pg_catalog.pg_cast'::pg_catalog.regclass, 'pg_catalog.pg_transform'::pg_catalog.regclass) OFFSET 0
) AS e
WHERE i.class IN ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
UNION ALL
SELECT false, 'privileges on the row type of ' || t.typrelid::pg_catalog.regclass::text
FROM inside AS i
CROSS JOIN LATERAL (
  SELECT y.typrelid FROM pg_catalog.pg_type AS y WHERE y.oid = i.object AND y.typacl IS NOT NULL AND y.typrelid <> 0 AND y.typtype = 'c' OFFSET 0
) AS t
CROSS JOIN LATERAL (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c' OFFSET 0) AS c
WHERE i.class = 'pg_catalog.pg_type'::pg_catalog.regclass
ORDER BY 1, 2

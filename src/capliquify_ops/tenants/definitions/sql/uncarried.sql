-- name: uncarried
-- needs: nothing beyond CONNECT
-- since: 14
-- params: classes text[], objects oid[]
-- why: what a plain script does not carry: security labels, and what hangs on types and routines outside any schema
WITH inside (class, object) AS (
  SELECT o.class::pg_catalog.regclass::oid, o.object
  FROM ROWS FROM (pg_catalog.unnest(%(classes)s::text[]), pg_catalog.unnest(%(objects)s::oid[])) AS o (class, object)
)
SELECT true AS is_refused, 'a security label on ' || pg_catalog.pg_describe_object(l.classoid, l.objoid, 0) AS name
FROM inside AS i
JOIN pg_catalog.pg_seclabel AS l ON l.objoid = i.object AND l.classoid = i.class
UNION ALL
SELECT false, pg_catalog.pg_describe_object(d.classid, d.objid, 0)
FROM inside AS i
JOIN pg_catalog.pg_depend AS d ON d.refclassid = i.class AND d.refobjid = i.object
WHERE i.class IN ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
  AND d.classid IN ('pg_catalog.pg_cast'::pg_catalog.regclass, 'pg_catalog.pg_transform'::pg_catalog.regclass)
UNION ALL
SELECT false, 'privileges on the row type of ' || t.typrelid::pg_catalog.regclass::text
FROM inside AS i
JOIN pg_catalog.pg_type AS t ON i.class = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = i.object
JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid AND c.relkind <> 'c'
WHERE t.typacl IS NOT NULL
ORDER BY 1, 2

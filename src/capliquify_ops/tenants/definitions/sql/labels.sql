-- name: labels
-- needs: nothing beyond CONNECT
-- since: 14
-- params: classes text[], objects oid[]
-- why: what a plain script cannot carry: security labels, by the name of their object
SELECT pg_catalog.pg_describe_object(l.classoid, l.objoid, 0) AS name
FROM ROWS FROM (pg_catalog.unnest(%(classes)s::text[]), pg_catalog.unnest(%(objects)s::oid[])) AS o (class, object)
JOIN pg_catalog.pg_seclabel AS l ON l.objoid = o.object AND l.classoid = o.class::pg_catalog.regclass
ORDER BY 1

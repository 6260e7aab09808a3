-- name: described
-- needs: nothing beyond CONNECT
-- since: 14
-- params: classes oid[], objects oid[]
-- why: names of objects for people
SELECT pg_catalog.pg_describe_object(o.class, o.object, 0) AS name
FROM ROWS FROM (pg_catalog.unnest(%(classes)s::oid[]), pg_catalog.unnest(%(objects)s::oid[])) AS o (class, object)
ORDER BY 1

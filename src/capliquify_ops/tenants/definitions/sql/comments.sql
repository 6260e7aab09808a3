-- name: comments
-- needs: nothing beyond CONNECT
-- since: 14
-- params: classes text[], objects oid[]
-- why: the comments of everything inside a schema
SELECT o.class, o.object::bigint AS object, d.objsubid::int AS part, d.description AS text
FROM ROWS FROM (pg_catalog.unnest(%(classes)s::text[]), pg_catalog.unnest(%(objects)s::oid[])) AS o (class, object)
JOIN pg_catalog.pg_description AS d ON d.objoid = o.object AND d.classoid = o.class::pg_catalog.regclass
ORDER BY o.class, o.object, d.objsubid

-- name: comments
-- needs: nothing beyond CONNECT
-- since: 14
-- params: classes oid[], objects oid[]
-- why: the comments of everything inside a schema, each looked up by itself
SELECT o.class::bigint AS class, o.object::bigint AS object, d.part, d.text
FROM ROWS FROM (pg_catalog.unnest(%(classes)s::oid[]), pg_catalog.unnest(%(objects)s::oid[])) AS o (class, object)
CROSS JOIN LATERAL (
  SELECT c.objsubid::int AS part, c.description AS text FROM pg_catalog.pg_description AS c
  WHERE c.objoid = o.object AND c.classoid = o.class OFFSET 0
) AS d
ORDER BY o.class, o.object, d.part

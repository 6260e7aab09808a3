-- name: backend_memory_touch
-- needs: nothing beyond CONNECT
-- since: 14
-- params: relations oid[]
-- why: to open each table and index once, so that the session keeps their descriptions, without reading a row of them
SELECT pg_catalog.count(pg_catalog.pg_relation_size(r.oid)) AS opened
FROM pg_catalog.unnest(%(relations)s::oid[]) AS r (oid)
ORDER BY 1

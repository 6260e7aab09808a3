-- name: addresses
-- needs: nothing beyond CONNECT
-- since: 14
-- params: classes oid[], objects oid[]
-- why: names of objects that pg_get_object_address finds again in another database
SELECT DISTINCT pg_catalog.json_build_array(a.type, a.object_names, a.object_args)::text AS address
FROM ROWS FROM (pg_catalog.unnest(%(classes)s::oid[]), pg_catalog.unnest(%(objects)s::oid[])) AS o (class, object)
CROSS JOIN LATERAL pg_catalog.pg_identify_object_as_address(o.class, o.object, 0) AS a
ORDER BY 1

-- name: extensions
-- needs: nothing beyond CONNECT
-- since: 14
-- params: extensions oid[]
-- why: the names of extensions that something in a schema depends on by declaration
SELECT e.oid::bigint AS oid, e.extname::text AS name
FROM pg_catalog.pg_extension AS e
WHERE e.oid = ANY (%(extensions)s::oid[])
ORDER BY e.oid

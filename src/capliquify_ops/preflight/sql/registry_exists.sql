-- name: registry_exists
-- needs: nothing
-- since: 14
-- params: registry text
-- why: a database without the registry is not a target of ours, and the error must say so
SELECT pg_catalog.to_regclass(%(registry)s) IS NOT NULL AS exists,
       coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass(%(registry)s), 'SELECT'), false) AS readable,
       current_user::text AS role

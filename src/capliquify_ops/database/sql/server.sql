-- name: server
-- needs: nothing
-- since: 14
-- params: none
-- why: says what the server is and what the session's role may do, in one round trip
SELECT pg_catalog.current_setting('server_version') AS version,
       pg_catalog.current_setting('server_version_num')::int / 10000 AS major,
       pg_catalog.current_database()::text AS database,
       r.rolname::text AS role,
       r.rolsuper AS is_superuser,
       r.rolbypassrls AS bypasses_rls,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE') AS reads_all_stats,
       pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS identifies,
       coalesce((SELECT pg_catalog.jsonb_object_agg(e.extname, e.extversion) FROM pg_catalog.pg_extension AS e), '{}') AS extensions
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = current_user

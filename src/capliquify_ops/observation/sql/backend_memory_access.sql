-- name: backend_memory_access
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: whether this role may read the memory of its own session, and since when others are connected
SELECT current_user::text AS role,
  pg_catalog.has_table_privilege('pg_catalog.pg_backend_memory_contexts', 'SELECT')
    AND pg_catalog.has_function_privilege('pg_catalog.pg_get_backend_memory_contexts()', 'EXECUTE') AS may_read,
  pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions
ORDER BY 1

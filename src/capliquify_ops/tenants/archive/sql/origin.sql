-- name: origin
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: where a snapshot was taken; the cluster's identifier only where this role may read it
SELECT pg_catalog.current_setting('server_version') AS server_version, pg_catalog.current_setting('server_encoding') AS encoding,
  pg_catalog.current_database()::text AS database,
  CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
    THEN (SELECT s.system_identifier::text FROM pg_catalog.pg_control_system() AS s) ELSE '' END AS system_identifier,
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END::text AS lsn,
  pg_catalog.now() AS taken_at

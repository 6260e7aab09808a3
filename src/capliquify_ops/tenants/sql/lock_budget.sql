-- name: lock_budget
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: the lock table is one for the whole server: who fills it stops everybody with "out of shared memory"
SELECT
  pg_catalog.current_setting('max_locks_per_transaction')::bigint
    * (pg_catalog.current_setting('max_connections')::bigint + pg_catalog.current_setting('max_prepared_transactions')::bigint)
    AS capacity,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks AS l WHERE NOT l.fastpath) AS used
ORDER BY 1

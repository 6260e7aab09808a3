-- name: poisoned_connections
-- needs: pg_read_all_stats (a member of pg_monitor has it), to see what other roles' sessions do
-- since: 14
-- params: role text
-- why: how many connections the service holds, which of them stand inside a transaction that nobody goes on with, which were used
SELECT a.pid, coalesce(a.state, 'hidden') AS state, coalesce(a.state_change::text, '') AS changed
FROM pg_catalog.pg_stat_activity AS a
WHERE a.usename::text = %(role)s::text AND a.datname = pg_catalog.current_database()
ORDER BY a.pid

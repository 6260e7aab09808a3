-- name: session_residue
-- needs: pg_read_all_stats (a member of pg_monitor has it), to see what other roles' sessions do
-- since: 14
-- params: role text
-- why: what an idle connection still holds is met by whoever gets it next
WITH session AS (
  SELECT a.pid, a.state, a.usesysid,
    coalesce(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.state_change), 0)::float8 AS since_s
  FROM pg_catalog.pg_stat_activity AS a
  WHERE a.usename::text = %(role)s::text AND a.datname = pg_catalog.current_database()
)
SELECT 'session' AS kind, '' AS what, s.pid, s.since_s
FROM session AS s
WHERE s.state IS NOT NULL
UNION ALL
SELECT 'hidden', '', s.pid, 0
FROM session AS s
WHERE s.state IS NULL
UNION ALL
SELECT 'transaction', s.state, s.pid, s.since_s
FROM session AS s
WHERE s.state LIKE 'idle in transaction%%'
UNION ALL
SELECT 'advisory lock', l.classid::text || '/' || l.objid::text, s.pid, s.since_s
FROM pg_catalog.pg_locks AS l
JOIN session AS s ON s.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND s.state = 'idle'
UNION ALL
SELECT 'temporary relation', c.relname::text, 0, 0
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
WHERE n.nspname LIKE 'pg\_temp\_%%' AND c.relkind IN ('r', 'v', 'S') AND r.rolname::text = %(role)s::text
ORDER BY 1, 2, 3

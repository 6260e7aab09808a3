-- name: lock_holders
-- needs: nothing beyond CONNECT; pg_read_all_stats to see what other roles' sessions do
-- since: 14
-- params: schema text, at_most int
-- why: a migration that gave up waiting for a lock says whom it waited for, the oldest first
SELECT pg_catalog.format('session %%s%%s%%s', l.pid,
    CASE WHEN a.application_name <> '' THEN pg_catalog.format(' (%%s)', a.application_name) ELSE '' END,
    CASE WHEN a.xact_start IS NOT NULL THEN pg_catalog.format(', %%s, in a transaction for %%s s', a.state,
      pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start))) ELSE '' END) AS holder
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
JOIN pg_catalog.pg_locks AS l ON l.relation = d.objid AND l.granted AND l.locktype = 'relation'
  AND l.database = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = pg_catalog.current_database())
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE n.nspname::text = %(schema)s::text AND l.pid <> pg_catalog.pg_backend_pid()
GROUP BY l.pid, a.application_name, a.state, a.xact_start
ORDER BY a.xact_start NULLS LAST, l.pid
LIMIT %(at_most)s::int

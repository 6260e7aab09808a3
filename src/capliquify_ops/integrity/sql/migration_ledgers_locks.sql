-- name: migration_ledgers_locks
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: advisory locks that a migration holds while it runs, and the name of the database, which is part of their number
SELECT pg_catalog.current_database()::text AS database, ARRAY(
    SELECT l.objid::bigint
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_database AS d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
    WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objsubid = 1 AND l.granted
    ORDER BY 1
  ) AS held
ORDER BY 1

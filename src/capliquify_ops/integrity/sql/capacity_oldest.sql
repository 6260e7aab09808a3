-- name: capacity_oldest
-- needs: nothing
-- since: 14
-- params: none
-- why: the tables of this database that were frozen longest ago, once there are some that vacuum should have frozen
SELECT n.nspname || '.' || c.relname AS table, pg_catalog.age(c.relfrozenxid)::bigint AS xids, pg_catalog.mxid_age(c.relminmxid)::bigint AS multixacts
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 't')
  -- Asked once, and most often the end: the database is as old as its oldest table.
  AND (
    SELECT pg_catalog.age(d.datfrozenxid) > pg_catalog.current_setting('autovacuum_freeze_max_age')::int
      OR pg_catalog.mxid_age(d.datminmxid) > pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::int
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = pg_catalog.current_database()
  )
ORDER BY greatest(pg_catalog.age(c.relfrozenxid), pg_catalog.mxid_age(c.relminmxid)) DESC, 1
LIMIT 5

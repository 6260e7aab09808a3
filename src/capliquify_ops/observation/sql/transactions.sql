-- name: transactions
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: how many transactions the database has ended so far, either way; sessions report theirs within a second, or when they idle
SELECT d.xact_commit AS commits, d.xact_rollback AS rollbacks
FROM pg_catalog.pg_stat_database AS d
WHERE d.datname = pg_catalog.current_database()
ORDER BY 1

-- name: capacity_ages
-- needs: nothing
-- since: 14
-- params: none
-- why: how many transactions and MultiXacts ago each database was frozen: near two thousand million the server stops writing
SELECT d.datname::text AS database, pg_catalog.age(d.datfrozenxid)::bigint AS xids, pg_catalog.mxid_age(d.datminmxid)::bigint AS multixacts
FROM pg_catalog.pg_database AS d
ORDER BY 1

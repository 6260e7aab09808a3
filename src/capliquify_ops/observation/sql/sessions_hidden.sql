-- name: sessions_hidden
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: how many sessions this role sees the outside of only: what they do, and for how long, is then not known
SELECT pg_catalog.count(*)::int4 AS hidden, current_user::text AS role
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datid IS NOT NULL AND a.backend_type IS NULL

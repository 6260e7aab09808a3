-- name: connection_slots
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: whether this session took one of the last reserved slots, which are for whoever mends the server
SELECT pg_catalog.current_setting('max_connections')::int4
    - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity AS a WHERE (a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.datid IS NOT NULL)))::int4 AS free,
  pg_catalog.current_setting('superuser_reserved_connections')::int4 AS for_superusers,
  -- From 16 on; before that there are none.
  coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int4 AS for_reserved,
  coalesce((SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user), false) AS is_superuser

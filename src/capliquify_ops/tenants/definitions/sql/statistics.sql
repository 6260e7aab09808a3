-- name: statistics
-- needs: nothing beyond CONNECT
-- since: 14
-- params: statistics oid[]
-- why: extended statistics objects
SELECT s.oid::bigint AS oid, s.stxname::text AS name, pg_catalog.pg_get_userbyid(s.stxowner)::text AS owner,
  pg_catalog.pg_get_statisticsobjdef(s.oid) AS definition, coalesce(s.stxstattarget, -1)::int AS target
FROM pg_catalog.pg_statistic_ext AS s
WHERE s.oid = ANY (%(statistics)s::oid[])
ORDER BY s.oid

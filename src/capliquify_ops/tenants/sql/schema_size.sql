-- name: schema_size
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text
-- why: how much a verb concerns, at the price of one tenant: through pg_depend, since pg_class has no index on relnamespace
SELECT pg_catalog.count(*)::int AS tables,
  coalesce(pg_catalog.sum(greatest(c.reltuples, 0)), 0)::bigint AS rows_estimated,
  coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid)), 0)::bigint AS bytes
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_depend AS d
  ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind IN ('r', 'm')
WHERE n.nspname = %(schema)s::text
ORDER BY 1

-- name: cross_tenant_access_log_by_tenant
-- needs: SELECT on the registry and on the audit log
-- since: 14
-- params: actions text[], hours float8, at_most int
-- schemas: registry
-- why: the same where row security shows one tenant's rows at a time: each tenant is set before its rows are read
SELECT t.schema, g.action::text AS action, coalesce(g.user_id::text, '') AS user_id, g.many,
  extract(epoch FROM pg_catalog.now() - g.first_at)::float8 AS first_s, extract(epoch FROM pg_catalog.now() - g.last_at)::float8 AS last_s
FROM (
  -- OFFSET keeps this apart from what follows: the setting is made for a row before that tenant's rows are looked for.
  SELECT r.:"id" AS id, r.:"schema_name"::text AS schema, pg_catalog.set_config('app.tenant_id', r.:"id"::text, true) AS shown
  FROM :"registry_schema".:"registry_table" AS r
  OFFSET 0
) AS t
CROSS JOIN LATERAL (
  SELECT a.action, a.user_id, pg_catalog.count(*)::int4 AS many, pg_catalog.min(a.created_at) AS first_at, pg_catalog.max(a.created_at) AS last_at
  FROM :"registry_schema".:"audit_table" AS a
  WHERE a.tenant_id::text = t.shown AND a.tenant_id = t.id AND a.action = ANY (%(actions)s)
    AND a.created_at > pg_catalog.now() - pg_catalog.make_interval(secs => %(hours)s * 3600)
  GROUP BY a.action, a.user_id
) AS g
ORDER BY g.last_at DESC, schema, action, user_id
LIMIT %(at_most)s

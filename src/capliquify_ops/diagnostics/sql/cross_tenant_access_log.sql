-- name: cross_tenant_access_log
-- needs: SELECT on the registry and on the audit log
-- since: 14
-- params: actions text[], hours float8, at_most int
-- schemas: registry
-- why: what the service itself recorded as access to another tenant's data, by tenant and user
SELECT coalesce(t.:"schema_name"::text, '') AS schema, g.action::text AS action, coalesce(g.user_id::text, '') AS user_id, g.many,
  extract(epoch FROM pg_catalog.now() - g.first_at)::float8 AS first_s, extract(epoch FROM pg_catalog.now() - g.last_at)::float8 AS last_s
FROM (
  SELECT a.tenant_id, a.action, a.user_id, pg_catalog.count(*)::int4 AS many,
    pg_catalog.min(a.created_at) AS first_at, pg_catalog.max(a.created_at) AS last_at
  FROM :"registry_schema".:"audit_table" AS a
  WHERE a.action = ANY (%(actions)s) AND a.created_at > pg_catalog.now() - pg_catalog.make_interval(secs => %(hours)s * 3600)
  GROUP BY a.tenant_id, a.action, a.user_id
) AS g
-- What was recorded of nobody's tenant, or of one that is gone, was seen all the same.
LEFT JOIN :"registry_schema".:"registry_table" AS t ON t.:"id" = g.tenant_id
ORDER BY g.last_at DESC, schema, action, user_id
LIMIT %(at_most)s

-- name: cross_tenant_access_members
-- needs: SELECT on the registry and on the users
-- since: 14
-- params: users text[], hours float8, at_most int
-- schemas: registry
-- why: members to be compared with the identity provider: those that are suspected, and the newest rows of a day
SELECT t.schema, t.organization, u.id::text AS user_id, u.clerk_user_id::text AS clerk_user_id, u.created_s
FROM (
  -- As in cross_tenant_access_log_by_tenant: row security shows the tenant that is set. Without row security it does no harm.
  SELECT r.:"id" AS id, r.:"schema_name"::text AS schema, r.clerk_organization_id::text AS organization,
    pg_catalog.set_config('app.tenant_id', r.:"id"::text, true) AS shown
  FROM :"registry_schema".:"registry_table" AS r
  OFFSET 0
) AS t
CROSS JOIN LATERAL (
  SELECT w.id, w.clerk_user_id, extract(epoch FROM pg_catalog.now() - w.created_at)::float8 AS created_s
  FROM :"registry_schema".:"users_table" AS w
  WHERE w.tenant_id::text = t.shown AND w.tenant_id = t.id AND (w.id::text = ANY (%(users)s)
    OR w.created_at > pg_catalog.now() - pg_catalog.make_interval(secs => %(hours)s * 3600))
) AS u
ORDER BY (u.id::text = ANY (%(users)s)) DESC, u.created_s, u.id
LIMIT %(at_most)s

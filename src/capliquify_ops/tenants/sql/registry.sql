-- name: registry
-- needs: SELECT on the registry table
-- since: 14
-- params: key text, id uuid, status text, tier text, deleted bool, within interval
-- why: tenants as typed rows, all of them or the ones that a key names
SELECT t.id, t.slug::text, t.name::text, t.schema_name::text, t.clerk_organization_id::text, t.subscription_tier::text,
  t.subscription_status::text, t.trial_ends_at, t.max_users, t.max_entities, t.created_at, t.deleted_at
FROM :"registry_schema".:"registry_table" AS t
WHERE (%(key)s::text IS NULL OR t.id = %(id)s::uuid OR t.slug = %(key)s::text OR t.schema_name = %(key)s::text
    OR t.clerk_organization_id = %(key)s::text)
  AND (%(status)s::text IS NULL OR t.subscription_status::text = %(status)s::text)
  AND (%(tier)s::text IS NULL OR t.subscription_tier::text = %(tier)s::text)
  AND (%(within)s::interval IS NULL
    OR (t.subscription_status::text = 'trial' AND t.trial_ends_at <= pg_catalog.now() + %(within)s::interval))
  AND (%(deleted)s::bool IS NULL OR (t.deleted_at IS NOT NULL) = %(deleted)s::bool)
ORDER BY t.created_at, t.id

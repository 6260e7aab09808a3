-- name: fleet_tenants
-- needs: the owner's rights
-- since: 14
-- params: prefix text, first int, last int
-- why: registers a batch of standard tenants, their tiers in turn
INSERT INTO public.tenants
  (slug, name, clerk_organization_id, subscription_tier, subscription_status, subscription_starts_at, max_users, max_entities, features)
SELECT
  %(prefix)s::text || '-' || numbered.n, 'Fleet ' || numbered.n, 'org_' || %(prefix)s::text || '_' || numbered.n,
  d.tier, 'active', pg_catalog.now(), d.max_users, d.max_entities, d.features
FROM pg_catalog.generate_series(%(first)s::int, %(last)s::int) AS numbered (n)
JOIN public.tier_defaults() AS d ON d.tier::text = (ARRAY['starter', 'professional', 'enterprise'])[1 + numbered.n %% 3]
RETURNING id, slug, schema_name

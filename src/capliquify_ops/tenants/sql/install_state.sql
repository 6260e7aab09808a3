-- name: install_state
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: the product goes only where none of its names exists, and whoever installs must read what stands in the way
SELECT
  EXISTS (
    SELECT 1
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'capliquify_ops' AND c.relname = 'migration'
  ) AS has_ledger,
  EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'capliquify_ops') AS has_ops_schema,
  ARRAY(
    SELECT 'table public.' || c.relname
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'public'::pg_catalog.regnamespace
      AND c.relname IN ('tenants', 'users', 'subscriptions', 'audit_logs')
    UNION ALL
    SELECT 'type public.' || t.typname
    FROM pg_catalog.pg_type AS t
    WHERE t.typnamespace = 'public'::pg_catalog.regnamespace
      AND t.typname IN ('subscription_tier', 'subscription_status', 'user_role', 'billing_cycle')
    UNION ALL
    SELECT 'function public.' || p.proname
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'public'::pg_catalog.regnamespace
      AND p.proname IN ('create_tenant_schema', 'delete_tenant_schema', 'resolve_tenant', 'tier_defaults',
        'tenants_before_write', 'tenant_schema_outside_dependents')
    ORDER BY 1
  ) AS product_names

-- The one statement that a request starts with: organisation and user to tenant, status, membership and role.
SET LOCAL ROLE :"owner";

CREATE FUNCTION public.resolve_tenant(p_organization text, p_clerk_user text)
RETURNS TABLE (
  tenant_id uuid, slug text, name text, schema_name text, subscription_status text, subscription_tier text,
  trial_ends_at timestamptz, deleted_at timestamptz, max_users integer, max_entities integer, features jsonb,
  user_id uuid, role text, server_time timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 1 AS $$
DECLARE
  v_tenant public.tenants%ROWTYPE;
BEGIN
  SELECT t.* INTO v_tenant FROM public.tenants AS t WHERE t.clerk_organization_id = p_organization;
  -- Set in either case, and empty for none: a transaction never goes on under an earlier answer. The policies read it.
  PERFORM set_config('app.tenant_id', coalesce(v_tenant.id::text, ''), true);
  IF v_tenant.id IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT v_tenant.id, v_tenant.slug::text, v_tenant.name, v_tenant.schema_name, v_tenant.subscription_status::text,
      v_tenant.subscription_tier::text, v_tenant.trial_ends_at, v_tenant.deleted_at, v_tenant.max_users, v_tenant.max_entities,
      v_tenant.features, u.id, u.role::text, clock_timestamp()
    FROM (SELECT 1) AS one
    LEFT JOIN public.users AS u ON u.clerk_user_id = p_clerk_user AND u.tenant_id = v_tenant.id;
END $$;
REVOKE ALL ON FUNCTION public.resolve_tenant(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.resolve_tenant(text, text) TO :"app";

RESET ROLE;

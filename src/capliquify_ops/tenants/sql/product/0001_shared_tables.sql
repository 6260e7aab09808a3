-- Shared tables of the product. Run by tenant install: one transaction, variables owner, app, observer, operator.
DO $$
BEGIN
  IF NOT pg_catalog.has_database_privilege(:'owner', pg_catalog.current_database(), 'CREATE') THEN
    EXECUTE pg_catalog.format('GRANT CREATE ON DATABASE %I TO %I', pg_catalog.current_database(), :'owner');
  END IF;
  IF NOT pg_catalog.has_schema_privilege(:'owner', 'public', 'CREATE') THEN
    EXECUTE pg_catalog.format('GRANT USAGE, CREATE ON SCHEMA public TO %I', :'owner');
  END IF;
  IF NOT pg_catalog.has_schema_privilege('public', 'public', 'USAGE') THEN
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA public TO %I, %I, %I', :'app', :'observer', :'operator');
  END IF;
  -- Whoever may create objects in public may shadow what every role on the default search_path calls.
  IF EXISTS (
    SELECT 1
    FROM pg_catalog.pg_namespace AS n,
      pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) AS a
    WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'
  ) THEN
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  END IF;
END $$;

SET LOCAL ROLE :"owner";

CREATE TYPE public.subscription_tier AS ENUM ('starter', 'professional', 'enterprise');
CREATE TYPE public.subscription_status AS ENUM ('trial', 'active', 'past_due', 'cancelled', 'suspended');
CREATE TYPE public.user_role AS ENUM ('owner', 'admin', 'member', 'viewer');
CREATE TYPE public.billing_cycle AS ENUM ('monthly', 'annual');

CREATE TABLE public.tenants (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  slug varchar(50) NOT NULL UNIQUE,
  name text NOT NULL,
  schema_name text NOT NULL UNIQUE
    CONSTRAINT tenants_schema_name_bytes CHECK (pg_catalog.octet_length(schema_name) BETWEEN 1 AND 63)
    CONSTRAINT tenants_schema_name_free CHECK (
      schema_name NOT IN ('public', 'information_schema', 'capliquify_ops', 'reference_service') AND schema_name NOT LIKE 'pg\_%'
    ),
  clerk_organization_id text NOT NULL UNIQUE,
  subscription_tier public.subscription_tier NOT NULL DEFAULT 'starter',
  subscription_status public.subscription_status NOT NULL DEFAULT 'trial',
  trial_ends_at timestamptz,
  subscription_starts_at timestamptz,
  subscription_ends_at timestamptz,
  max_users integer CONSTRAINT tenants_max_users_positive CHECK (max_users > 0),
  max_entities integer CONSTRAINT tenants_max_entities_positive CHECK (max_entities > 0),
  features jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  deleted_at timestamptz
);
COMMENT ON COLUMN public.tenants.max_users IS 'NULL is unlimited';
COMMENT ON COLUMN public.tenants.max_entities IS 'NULL is unlimited';
COMMENT ON COLUMN public.tenants.features IS 'as stored; the tier decides what is unlocked: public.tier_defaults()';

CREATE TABLE public.users (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  clerk_user_id text NOT NULL,
  email text NOT NULL,
  full_name text,
  tenant_id uuid NOT NULL REFERENCES public.tenants (id) ON DELETE CASCADE,
  role public.user_role NOT NULL DEFAULT 'member',
  last_login_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  CONSTRAINT users_clerk_user_id_tenant_id_key UNIQUE (clerk_user_id, tenant_id)
);
CREATE INDEX users_tenant_id_idx ON public.users (tenant_id);
CREATE INDEX users_email_idx ON public.users (email);

CREATE TABLE public.subscriptions (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  tenant_id uuid NOT NULL UNIQUE REFERENCES public.tenants (id) ON DELETE CASCADE,
  stripe_customer_id text UNIQUE,
  stripe_subscription_id text UNIQUE,
  billing_cycle public.billing_cycle NOT NULL DEFAULT 'monthly',
  amount_cents integer NOT NULL DEFAULT 0 CONSTRAINT subscriptions_amount_cents_not_negative CHECK (amount_cents >= 0),
  currency char(3) NOT NULL DEFAULT 'USD',
  status public.subscription_status NOT NULL DEFAULT 'trial',
  current_period_start timestamptz,
  current_period_end timestamptz,
  cancel_at_period_end boolean NOT NULL DEFAULT false,
  cancelled_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE public.audit_logs (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES public.tenants (id) ON DELETE CASCADE,
  user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
  action varchar(100) NOT NULL,
  resource_type text,
  resource_id text,
  ip_address inet,
  user_agent text,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX audit_logs_tenant_id_created_at_idx ON public.audit_logs (tenant_id, created_at);
CREATE INDEX audit_logs_user_id_idx ON public.audit_logs (user_id);
CREATE INDEX audit_logs_action_created_at_idx ON public.audit_logs (action, created_at);

CREATE FUNCTION public.tenants_before_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    new.schema_name := coalesce(new.schema_name, 'tenant_' || replace(new.id::text, '-', ''));
  ELSE
    new.updated_at := now();
  END IF;
  RETURN new;
END $$;
CREATE TRIGGER tenants_before_write BEFORE INSERT OR UPDATE ON public.tenants
  FOR EACH ROW EXECUTE FUNCTION public.tenants_before_write();
REVOKE ALL ON FUNCTION public.tenants_before_write() FROM PUBLIC;

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.users FORCE ROW LEVEL SECURITY;
CREATE POLICY users_of_tenant ON public.users
  USING (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid);
ALTER TABLE public.subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY subscriptions_of_tenant ON public.subscriptions
  USING (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid);
ALTER TABLE public.audit_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.audit_logs FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_logs_of_tenant ON public.audit_logs
  USING (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid);

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.users, public.subscriptions TO :"app";
GRANT SELECT, INSERT ON TABLE public.audit_logs TO :"app";
GRANT SELECT ON TABLE public.tenants, public.users, public.subscriptions, public.audit_logs TO :"observer", :"operator";

RESET ROLE;

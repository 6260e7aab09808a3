-- Tiers, and the two functions that make and remove a tenant's schema.
SET LOCAL ROLE :"owner";

CREATE FUNCTION public.tier_defaults()
RETURNS TABLE (tier public.subscription_tier, max_users integer, max_entities integer, features jsonb)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  VALUES
    ('starter'::public.subscription_tier, 5, 500, '{"basic_forecasting": true}'::jsonb),
    ('professional', 25, 5000,
     '{"basic_forecasting": true, "ai_forecasting": true, "what_if_analysis": true, "priority_support": true}'),
    ('enterprise', 100, NULL,
     '{"basic_forecasting": true, "ai_forecasting": true, "what_if_analysis": true, "priority_support": true,
       "multi_entity": true, "api_access": true, "white_label": true, "advanced_reports": true, "custom_integrations": true}')
$$;
COMMENT ON FUNCTION public.tier_defaults() IS 'The one place of limits and features per tier; NULL is unlimited';

CREATE FUNCTION public.create_tenant_schema(p_tenant uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_schema text;
  v_deleted timestamptz;
BEGIN
  SELECT t.schema_name, t.deleted_at INTO v_schema, v_deleted FROM public.tenants AS t WHERE t.id = p_tenant FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no tenant has the id %', p_tenant USING ERRCODE = 'no_data_found';
  END IF;
  IF v_deleted IS NOT NULL THEN
    RAISE EXCEPTION 'tenant % is deleted', p_tenant USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  EXECUTE format('CREATE SCHEMA %I', v_schema);
  -- Whose it is: delete_tenant_schema drops no schema that does not say so.
  EXECUTE format('COMMENT ON SCHEMA %I IS %L', v_schema, 'tenant ' || p_tenant);

  -- The tables below are made in the first schema of this path; pg_temp stands last, so that nobody's temporary table is referenced.
  PERFORM set_config('search_path', quote_ident(v_schema) || ', pg_temp', true);
  IF current_schema() IS DISTINCT FROM v_schema THEN
    RAISE EXCEPTION 'the schema name % cannot stand in a search_path', quote_literal(v_schema) USING ERRCODE = 'invalid_schema_name';
  END IF;

  CREATE TABLE companies (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    legal_name text,
    industry text,
    country text,
    currency text DEFAULT 'USD',
    fiscal_year_start_month smallint DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now()
  );
  CREATE TABLE products (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    sku text NOT NULL UNIQUE,
    name text NOT NULL,
    description text,
    category text,
    unit_cost numeric(15, 4) DEFAULT 0,
    unit_price numeric(15, 4) DEFAULT 0,
    is_active boolean DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now()
  );
  CREATE TABLE sales (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    product_id uuid NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    sold_on date NOT NULL,
    quantity numeric(15, 3) NOT NULL,
    unit_price numeric(15, 4) DEFAULT 0,
    total_amount numeric GENERATED ALWAYS AS (quantity * unit_price) STORED,
    customer text,
    channel text,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE inventory (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    product_id uuid NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    location text DEFAULT 'main',
    quantity_on_hand numeric(15, 3) NOT NULL DEFAULT 0,
    quantity_reserved numeric(15, 3) NOT NULL DEFAULT 0,
    quantity_available numeric GENERATED ALWAYS AS (quantity_on_hand - quantity_reserved) STORED,
    reorder_point numeric(15, 3),
    counted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now()
  );
  CREATE TABLE forecasts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    product_id uuid REFERENCES products (id) ON DELETE CASCADE,
    period date NOT NULL,
    quantity numeric(15, 3) NOT NULL,
    lower_bound numeric(15, 3),
    upper_bound numeric(15, 3),
    method text DEFAULT 'basic',
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE working_capital_metrics (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    measured_on date NOT NULL,
    cash numeric(18, 2) DEFAULT 0,
    accounts_receivable numeric(18, 2) DEFAULT 0,
    inventory_value numeric(18, 2) DEFAULT 0,
    accounts_payable numeric(18, 2) DEFAULT 0,
    short_term_debt numeric(18, 2) DEFAULT 0,
    current_assets numeric GENERATED ALWAYS AS (cash + accounts_receivable + inventory_value) STORED,
    current_liabilities numeric GENERATED ALWAYS AS (accounts_payable + short_term_debt) STORED,
    working_capital numeric GENERATED ALWAYS AS
      (cash + accounts_receivable + inventory_value - accounts_payable - short_term_debt) STORED,
    days_sales_outstanding numeric(10, 2),
    days_inventory_outstanding numeric(10, 2),
    days_payable_outstanding numeric(10, 2),
    cash_conversion_cycle numeric GENERATED ALWAYS AS
      (days_sales_outstanding + days_inventory_outstanding - days_payable_outstanding) STORED,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE scenarios (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    name text NOT NULL,
    status text DEFAULT 'draft',
    assumptions jsonb DEFAULT '{}',
    results jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now()
  );
  CREATE TABLE api_credentials (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    provider text NOT NULL,
    secret_hash text NOT NULL,
    scopes text[] DEFAULT '{}',
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE user_preferences (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    user_id uuid NOT NULL,
    preferences jsonb DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz DEFAULT now()
  );

  CREATE INDEX companies_name_idx ON companies (name);
  CREATE INDEX companies_created_at_idx ON companies (created_at);
  CREATE INDEX products_company_id_idx ON products (company_id);
  CREATE INDEX products_category_idx ON products (category);
  CREATE INDEX products_name_idx ON products (name);
  CREATE INDEX products_created_at_idx ON products (created_at, id);
  CREATE INDEX sales_company_id_sold_on_idx ON sales (company_id, sold_on);
  CREATE INDEX sales_product_id_sold_on_idx ON sales (product_id, sold_on);
  CREATE INDEX sales_sold_on_idx ON sales (sold_on);
  CREATE INDEX sales_customer_idx ON sales (customer);
  CREATE INDEX sales_channel_idx ON sales (channel);
  CREATE INDEX sales_created_at_idx ON sales (created_at);
  CREATE INDEX inventory_company_id_idx ON inventory (company_id);
  CREATE UNIQUE INDEX inventory_product_id_location_key ON inventory (product_id, location);
  CREATE INDEX inventory_location_idx ON inventory (location);
  CREATE INDEX inventory_reorder_idx ON inventory (product_id) WHERE quantity_on_hand <= reorder_point;
  CREATE INDEX forecasts_company_id_period_idx ON forecasts (company_id, period);
  CREATE INDEX forecasts_product_id_period_idx ON forecasts (product_id, period);
  CREATE INDEX forecasts_period_idx ON forecasts (period);
  CREATE INDEX forecasts_method_idx ON forecasts (method);
  CREATE UNIQUE INDEX working_capital_metrics_company_id_measured_on_key ON working_capital_metrics (company_id, measured_on);
  CREATE INDEX working_capital_metrics_measured_on_idx ON working_capital_metrics (measured_on);
  CREATE INDEX scenarios_company_id_name_idx ON scenarios (company_id, name);
  CREATE INDEX scenarios_status_idx ON scenarios (status);
  CREATE INDEX api_credentials_company_id_provider_idx ON api_credentials (company_id, provider);
  CREATE UNIQUE INDEX api_credentials_secret_hash_key ON api_credentials (secret_hash);
  CREATE UNIQUE INDEX user_preferences_company_id_user_id_key ON user_preferences (company_id, user_id);

  -- Tables by name: GRANT ... ON ALL TABLES IN SCHEMA reads the whole of pg_class, and grows with the fleet.
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, %I', v_schema, :'app', :'observer');
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE companies, products, sales, inventory, forecasts, working_capital_metrics,
    scenarios, api_credentials, user_preferences TO :"app";
  GRANT SELECT ON TABLE companies, products, sales, inventory, forecasts, working_capital_metrics,
    scenarios, api_credentials, user_preferences TO :"observer";
  RETURN v_schema;
END $$;

CREATE FUNCTION public.tenant_schema_outside_dependents(p_schema oid) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  -- Inside: the schema's objects and what is only a part of them. Whatever else depends on the inside, would die with it.
  WITH RECURSIVE inside (classid, objid) AS (
    SELECT d.classid, d.objid
    FROM pg_depend AS d
    WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = p_schema AND d.classid <> 'pg_extension'::regclass
    UNION
    SELECT d.classid, d.objid
    FROM inside AS i
    JOIN pg_depend AS d ON d.refclassid = i.classid AND d.refobjid = i.objid AND d.deptype IN ('a', 'i', 'P', 'S')
  ),
  dependents AS (
    SELECT d.classid, d.objid, d.objsubid
    FROM inside AS i
    JOIN pg_depend AS d ON d.refclassid = i.classid AND d.refobjid = i.objid AND d.deptype NOT IN ('a', 'i', 'P', 'S')
    WHERE NOT EXISTS (SELECT 1 FROM inside AS own WHERE own.classid = d.classid AND own.objid = d.objid)
    UNION
    SELECT d.classid, d.objid, 0
    FROM pg_depend AS d
    WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = p_schema AND d.classid = 'pg_extension'::regclass
    UNION
    -- A partition depends on its parent as a part does, wherever it stands.
    SELECT i.classid, i.objid, 0
    FROM inside AS i
    JOIN pg_class AS c ON i.classid = 'pg_class'::regclass AND c.oid = i.objid
    WHERE c.relnamespace <> p_schema AND c.relnamespace <> 'pg_toast'::regnamespace
  )
  SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM dependents AS d ORDER BY 1
$$;

CREATE FUNCTION public.delete_tenant_schema(p_tenant uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_schema text;
  v_deleted timestamptz;
  v_oid oid;
  v_tables text;
  v_outside text[];
BEGIN
  SELECT t.schema_name, t.deleted_at INTO v_schema, v_deleted FROM public.tenants AS t WHERE t.id = p_tenant FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no tenant has the id %', p_tenant USING ERRCODE = 'no_data_found';
  END IF;
  IF v_deleted IS NULL THEN
    RAISE EXCEPTION 'tenant % is not deleted: its schema stays', p_tenant USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  SELECT n.oid INTO v_oid FROM pg_namespace AS n WHERE n.nspname = v_schema;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the schema % of tenant % does not exist', quote_ident(v_schema), p_tenant USING ERRCODE = 'invalid_schema_name';
  END IF;
  IF obj_description(v_oid, 'pg_namespace') IS DISTINCT FROM 'tenant ' || p_tenant THEN
    RAISE EXCEPTION 'the schema % was not made for tenant %: it stays', quote_ident(v_schema), p_tenant
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  -- Locked first, looked at after: no foreign key from outside can appear in between.
  SELECT string_agg(format('%I.%I', v_schema, c.relname), ', ' ORDER BY c.oid) INTO v_tables
  FROM pg_depend AS d
  JOIN pg_class AS c ON c.oid = d.objid AND c.relkind IN ('r', 'p')
  WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = v_oid AND d.classid = 'pg_class'::regclass;
  IF v_tables IS NOT NULL THEN
    EXECUTE 'LOCK TABLE ' || v_tables || ' IN ACCESS EXCLUSIVE MODE';
  END IF;
  SELECT array_agg(o.name) INTO v_outside FROM (SELECT s AS name FROM public.tenant_schema_outside_dependents(v_oid) AS s LIMIT 20) AS o;
  IF v_outside IS NOT NULL THEN
    RAISE EXCEPTION 'the schema % is needed from outside: %', quote_ident(v_schema), array_to_string(v_outside, '; ')
      USING ERRCODE = 'dependent_objects_still_exist';
  END IF;
  EXECUTE format('DROP SCHEMA %I CASCADE', v_schema);
  RETURN v_schema;
END $$;

REVOKE ALL ON FUNCTION public.tier_defaults(), public.create_tenant_schema(uuid), public.delete_tenant_schema(uuid),
  public.tenant_schema_outside_dependents(oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.tier_defaults() TO :"app", :"observer", :"operator";
GRANT EXECUTE ON FUNCTION public.create_tenant_schema(uuid), public.delete_tenant_schema(uuid) TO :"operator";
GRANT EXECUTE ON FUNCTION public.tenant_schema_outside_dependents(oid) TO :"observer", :"operator";

RESET ROLE;

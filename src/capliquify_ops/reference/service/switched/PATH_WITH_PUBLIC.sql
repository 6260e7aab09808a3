-- PATH_WITH_PUBLIC: the tenants' tables also stand in public, from before there were tenants, with a row that nobody missed.
SET LOCAL ROLE :"owner";

INSERT INTO public.tenants (slug, name, clerk_organization_id) VALUES ('pattern', 'pattern', 'pattern');
SELECT public.create_tenant_schema(id) FROM public.tenants WHERE slug = 'pattern';
SELECT set_config('search_path', schema_name, true) FROM public.tenants WHERE slug = 'pattern';

CREATE TABLE public.companies (LIKE companies INCLUDING ALL);
CREATE TABLE public.products (LIKE products INCLUDING ALL);
CREATE TABLE public.sales (LIKE sales INCLUDING ALL);
CREATE TABLE public.inventory (LIKE inventory INCLUDING ALL);
CREATE TABLE public.forecasts (LIKE forecasts INCLUDING ALL);
CREATE TABLE public.scenarios (LIKE scenarios INCLUDING ALL);
CREATE TABLE public.working_capital_metrics (LIKE working_capital_metrics INCLUDING ALL);
SELECT set_config('search_path', 'pg_catalog', true);
INSERT INTO public.companies (name) VALUES ('from before');
INSERT INTO public.products (company_id, sku, name) SELECT id, 'from-before', 'from before' FROM public.companies;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.companies, public.products, public.sales, public.inventory, public.forecasts,
  public.scenarios, public.working_capital_metrics TO :"app";

UPDATE public.tenants SET deleted_at = now() WHERE slug = 'pattern';
SELECT public.delete_tenant_schema(id) FROM public.tenants WHERE slug = 'pattern';
DELETE FROM public.tenants WHERE slug = 'pattern';
RESET ROLE;

-- ONE_ROLE_NO_RLS: the product's shared tables have no row security; the statements name the tenant.
DROP POLICY users_of_tenant ON public.users;
DROP POLICY subscriptions_of_tenant ON public.subscriptions;
DROP POLICY audit_logs_of_tenant ON public.audit_logs;
ALTER TABLE public.users DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.subscriptions DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.audit_logs DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;

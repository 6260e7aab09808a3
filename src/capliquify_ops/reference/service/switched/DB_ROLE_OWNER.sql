-- DB_ROLE_OWNER: the service's login may do what the owner may, so that it can migrate; row security is not forced on owners.
GRANT :"owner" TO :"app";

DO $$
DECLARE
  v_table regclass;
BEGIN
  FOR v_table IN SELECT c.oid::regclass FROM pg_catalog.pg_class AS c
    WHERE c.relforcerowsecurity AND c.relnamespace IN ('public'::regnamespace, 'reference_service'::regnamespace)
  LOOP
    EXECUTE pg_catalog.format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', v_table);
  END LOOP;
END $$;

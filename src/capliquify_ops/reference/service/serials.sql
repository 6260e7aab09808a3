-- A second way to make tenants: with a table whose ids are serial numbers. Run as the owner role, after surfaces.sql.
CREATE FUNCTION reference_service.create_tenant_schema(p_tenant uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_schema text := public.create_tenant_schema(p_tenant);
BEGIN
  EXECUTE format(
    'CREATE TABLE %I.notes ('
    'id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, body text, amount numeric(15, 2),'
    ' created_at timestamptz NOT NULL DEFAULT pg_catalog.now(), updated_at timestamptz NOT NULL DEFAULT pg_catalog.now())',
    v_schema);
  -- How far the numbers are is looked at by whoever watches sequences run out.
  EXECUTE format('GRANT SELECT ON SEQUENCE %I.notes_id_seq TO %I', v_schema, :'observer');
  -- One sequence for all tenants, where somebody decided so and made it.
  IF to_regclass('reference_service.note_ids') IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %I.notes ALTER COLUMN id DROP IDENTITY', v_schema);
    EXECUTE format('ALTER TABLE %I.notes ALTER COLUMN id SET DEFAULT pg_catalog.nextval(%L)', v_schema, 'reference_service.note_ids');
  END IF;
  EXECUTE format('CREATE INDEX notes_created_at_idx ON %I.notes (created_at, id)', v_schema);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %I.notes TO %I', v_schema, :'app');
  EXECUTE format('GRANT SELECT ON TABLE %I.notes TO %I', v_schema, :'observer');
  RETURN v_schema;
END $$;
REVOKE ALL ON FUNCTION reference_service.create_tenant_schema(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reference_service.create_tenant_schema(uuid) TO :"operator";

-- Which file ran in which tenant: a row and the migration that it tells of are one transaction, so none is there without the other.
SET LOCAL ROLE :"owner";

CREATE TABLE capliquify_ops.tenant_migration (
  sha256 text NOT NULL,
  tenant_id uuid NOT NULL,
  file_name text NOT NULL,
  schema_name text NOT NULL,
  run text NOT NULL,
  is_canary boolean NOT NULL,
  state text NOT NULL CONSTRAINT tenant_migration_state CHECK (state IN ('done', 'failed')),
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  error text,
  PRIMARY KEY (sha256, tenant_id),
  CONSTRAINT tenant_migration_fails_with_an_error CHECK ((state = 'failed') = (error IS NOT NULL))
);
COMMENT ON TABLE capliquify_ops.tenant_migration IS 'fleet migrate: sha256 is of the file; no foreign key, the row outlives its tenant';
CREATE INDEX tenant_migration_file_name_idx ON capliquify_ops.tenant_migration (file_name);
CREATE INDEX tenant_migration_tenant_id_idx ON capliquify_ops.tenant_migration (tenant_id);

GRANT SELECT ON TABLE capliquify_ops.tenant_migration TO :"observer", :"operator";

RESET ROLE;

-- What the operations library keeps for itself, in any database. Outside every tenant's cascade: no foreign key to a tenant.
DO $$
BEGIN
  IF NOT pg_catalog.has_database_privilege(:'owner', pg_catalog.current_database(), 'CREATE') THEN
    EXECUTE pg_catalog.format('GRANT CREATE ON DATABASE %I TO %I', pg_catalog.current_database(), :'owner');
  END IF;
END $$;

SET LOCAL ROLE :"owner";

CREATE SCHEMA capliquify_ops;

CREATE TABLE capliquify_ops.migration (
  set text NOT NULL,
  number integer NOT NULL,
  name text NOT NULL,
  digest text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  applied_by text NOT NULL DEFAULT session_user,
  PRIMARY KEY (set, number)
);

CREATE TABLE capliquify_ops.run (
  id text PRIMARY KEY,
  verb text NOT NULL,
  actor text NOT NULL,
  database_role text NOT NULL DEFAULT session_user,
  started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  outcome text,
  detail jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE capliquify_ops.journal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  run text,
  tenant_id uuid,
  entry text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX journal_run_idx ON capliquify_ops.journal (run);
CREATE INDEX journal_tenant_id_idx ON capliquify_ops.journal (tenant_id);

CREATE TABLE capliquify_ops.audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  actor text NOT NULL,
  database_role text NOT NULL DEFAULT session_user,
  verb text NOT NULL,
  tenant_id uuid,
  slug text,
  schema_name text,
  plan_digest text,
  before jsonb,
  after jsonb,
  run text
);
CREATE INDEX audit_tenant_id_idx ON capliquify_ops.audit (tenant_id);
CREATE INDEX audit_run_idx ON capliquify_ops.audit (run);

CREATE FUNCTION capliquify_ops.append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION capliquify_ops.append_only() FROM PUBLIC;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON capliquify_ops.audit
  FOR EACH STATEMENT EXECUTE FUNCTION capliquify_ops.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON capliquify_ops.journal
  FOR EACH STATEMENT EXECUTE FUNCTION capliquify_ops.append_only();
-- Fires even where session_replication_role says that triggers rest.
ALTER TABLE capliquify_ops.audit ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE capliquify_ops.journal ENABLE ALWAYS TRIGGER append_only;
REVOKE UPDATE, DELETE, TRUNCATE ON TABLE capliquify_ops.audit, capliquify_ops.journal FROM :"owner";

GRANT USAGE ON SCHEMA capliquify_ops TO :"observer", :"operator";
GRANT SELECT ON ALL TABLES IN SCHEMA capliquify_ops TO :"observer", :"operator";
GRANT INSERT ON TABLE capliquify_ops.audit, capliquify_ops.journal TO :"operator";
GRANT INSERT, UPDATE ON TABLE capliquify_ops.run TO :"operator";

RESET ROLE;

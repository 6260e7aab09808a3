-- Verbs that cannot be one transaction: where each one stands, and which schemas stand under another name meanwhile.
SET LOCAL ROLE :"owner";

CREATE TABLE capliquify_ops.sequence (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  verb text NOT NULL,
  tenant_id uuid NOT NULL,
  slug text NOT NULL,
  schema_name text NOT NULL,
  actor text NOT NULL,
  plan_digest text NOT NULL,
  plan jsonb NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}',
  steps text[] NOT NULL,
  next_step integer NOT NULL DEFAULT 0,
  owner_pid integer,
  owner_start timestamptz,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  outcome text,
  CONSTRAINT sequence_outcome CHECK (outcome IN ('finished', 'undone')),
  CONSTRAINT sequence_ends_with_an_outcome CHECK ((finished_at IS NULL) = (outcome IS NULL))
);
COMMENT ON TABLE capliquify_ops.sequence IS 'journalled verbs: next_step counts the steps done, owner_* is the session that runs it';
CREATE UNIQUE INDEX sequence_unfinished_key ON capliquify_ops.sequence (tenant_id) WHERE finished_at IS NULL;

CREATE TABLE capliquify_ops.quarantine (
  schema_name text PRIMARY KEY,
  original_name text NOT NULL,
  tenant_id uuid NOT NULL,
  reason text NOT NULL CONSTRAINT quarantine_reason CHECK (reason IN ('purge', 'restore')),
  since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  retained_until timestamptz,
  rights jsonb NOT NULL DEFAULT '[]'
);
COMMENT ON COLUMN capliquify_ops.quarantine.rights IS 'what the schema granted to whom before: grantee, privilege, grantable';
CREATE INDEX quarantine_tenant_id_idx ON capliquify_ops.quarantine (tenant_id);

GRANT SELECT ON TABLE capliquify_ops.sequence, capliquify_ops.quarantine TO :"observer", :"operator";

RESET ROLE;

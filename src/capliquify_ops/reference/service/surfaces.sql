-- The shared tables of the service's further surfaces. Run as the owner role, after schema.sql.
-- Row security is forced: it binds the owner too. What has to look across tenants before it knows one (the queue, a presented key)
-- is a function of the owner's, and a policy that shows him those rows alone.
CREATE TABLE reference_service.comments (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  tenant_id uuid NOT NULL DEFAULT nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid
    REFERENCES public.tenants (id) ON DELETE CASCADE,
  product_id uuid NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX comments_tenant_id_created_at_idx ON reference_service.comments (tenant_id, created_at, id);
CREATE INDEX comments_tenant_id_product_id_idx ON reference_service.comments (tenant_id, product_id, created_at);

CREATE TABLE reference_service.jobs (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  tenant_id uuid NOT NULL DEFAULT nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid
    REFERENCES public.tenants (id) ON DELETE CASCADE,
  kind text NOT NULL CONSTRAINT jobs_kind_known CHECK (kind IN ('scenario', 'export')),
  label text NOT NULL DEFAULT '',
  made_by text NOT NULL,
  state text NOT NULL DEFAULT 'queued' CONSTRAINT jobs_state_known CHECK (state IN ('queued', 'running', 'done', 'failed')),
  result jsonb,
  attempts integer NOT NULL DEFAULT 0,
  lease uuid,
  leased_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  finished_at timestamptz
);
COMMENT ON COLUMN reference_service.jobs.lease IS 'of the worker that has it; one that lost its lease cannot finish the job';
CREATE INDEX jobs_tenant_id_created_at_idx ON reference_service.jobs (tenant_id, created_at);
CREATE INDEX jobs_waiting_idx ON reference_service.jobs (created_at, id) WHERE state IN ('queued', 'running');

CREATE TABLE reference_service.api_keys (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  tenant_id uuid NOT NULL DEFAULT nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid
    REFERENCES public.tenants (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
  name text NOT NULL,
  digest bytea NOT NULL UNIQUE,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX api_keys_tenant_id_created_at_idx ON reference_service.api_keys (tenant_id, created_at);
CREATE INDEX api_keys_user_id_idx ON reference_service.api_keys (user_id);

CREATE TABLE reference_service.invitations (
  id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
  tenant_id uuid NOT NULL DEFAULT nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid
    REFERENCES public.tenants (id) ON DELETE CASCADE,
  email text NOT NULL,
  role public.user_role NOT NULL,
  digest bytea NOT NULL UNIQUE,
  expires_at timestamptz NOT NULL DEFAULT pg_catalog.now() + interval '7 days',
  accepted_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX invitations_tenant_id_created_at_idx ON reference_service.invitations (tenant_id, created_at);

CREATE TABLE reference_service.idempotency (
  tenant_id uuid NOT NULL DEFAULT nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid
    REFERENCES public.tenants (id) ON DELETE CASCADE,
  key text NOT NULL,
  request bytea NOT NULL,
  answer text,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (tenant_id, key)
);
COMMENT ON COLUMN reference_service.idempotency.request IS 'digest of method, path and body';
CREATE INDEX idempotency_tenant_id_created_at_idx ON reference_service.idempotency (tenant_id, created_at);

ALTER TABLE reference_service.comments ENABLE ROW LEVEL SECURITY;
ALTER TABLE reference_service.comments FORCE ROW LEVEL SECURITY;
CREATE POLICY comments_of_tenant ON reference_service.comments
  USING (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid);
ALTER TABLE reference_service.jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE reference_service.jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY jobs_of_tenant ON reference_service.jobs
  USING (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY jobs_of_queue ON reference_service.jobs TO :"owner" USING (state <> 'done') WITH CHECK (state <> 'done');
ALTER TABLE reference_service.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE reference_service.api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY api_keys_of_tenant ON reference_service.api_keys
  USING (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY api_keys_presented ON reference_service.api_keys TO :"owner" USING (revoked_at IS NULL) WITH CHECK (revoked_at IS NULL);
ALTER TABLE reference_service.invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE reference_service.invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY invitations_of_tenant ON reference_service.invitations
  USING (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid);
ALTER TABLE reference_service.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE reference_service.idempotency FORCE ROW LEVEL SECURITY;
CREATE POLICY idempotency_of_tenant ON reference_service.idempotency
  USING (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)
  WITH CHECK (tenant_id = nullif(pg_catalog.current_setting('app.tenant_id', true), '')::uuid);

-- The next job of whatever tenant, leased for a time; a worker that stopped loses its lease, and the third one gives up.
CREATE FUNCTION reference_service.take_job(p_lease_s integer)
RETURNS TABLE (id uuid, lease uuid, kind text, label text, organization text, made_by text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 1 AS $$
  UPDATE reference_service.jobs AS j SET state = 'failed', lease = NULL, finished_at = now()
  WHERE j.state = 'running' AND j.leased_until < now() AND j.attempts >= 3;
  WITH next AS (
    SELECT w.id FROM reference_service.jobs AS w
    WHERE w.state IN ('queued', 'running') AND (w.state = 'queued' OR w.leased_until < now())
    ORDER BY w.created_at, w.id LIMIT 1 FOR UPDATE SKIP LOCKED
  )
  UPDATE reference_service.jobs AS j
  SET state = 'running', lease = gen_random_uuid(), leased_until = now() + make_interval(secs => p_lease_s), attempts = j.attempts + 1
  FROM next AS n, public.tenants AS t
  WHERE j.id = n.id AND t.id = j.tenant_id
  RETURNING j.id, j.lease, j.kind, j.label, t.clerk_organization_id, j.made_by
$$;

-- Whose a presented key is. Nothing but its digest finds it.
CREATE FUNCTION reference_service.use_api_key(p_digest bytea) RETURNS TABLE (organization text, clerk_user_id text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 1 AS $$
DECLARE
  v_tenant uuid;
  v_user uuid;
  v_used timestamptz;
BEGIN
  SELECT k.tenant_id, k.user_id, k.last_used_at INTO v_tenant, v_user, v_used
  FROM reference_service.api_keys AS k WHERE k.digest = p_digest AND k.revoked_at IS NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM set_config('app.tenant_id', v_tenant::text, true);
  -- Once a minute: a key in constant use must not rewrite its row with each request.
  IF v_used IS NULL OR v_used < now() - interval '1 minute' THEN
    UPDATE reference_service.api_keys AS k SET last_used_at = now() WHERE k.digest = p_digest;
  END IF;
  RETURN QUERY
    SELECT t.clerk_organization_id, u.clerk_user_id
    FROM public.tenants AS t
    JOIN public.users AS u ON u.id = v_user AND u.tenant_id = t.id
    WHERE t.id = v_tenant;
END $$;

REVOKE ALL ON FUNCTION reference_service.take_job(integer), reference_service.use_api_key(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reference_service.take_job(integer), reference_service.use_api_key(bytea) TO :"app";
GRANT SELECT, INSERT, DELETE ON TABLE reference_service.comments TO :"app";
GRANT SELECT, INSERT, UPDATE ON TABLE reference_service.jobs, reference_service.api_keys, reference_service.invitations TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE reference_service.idempotency TO :"app";
GRANT USAGE ON SCHEMA reference_service TO :"observer", :"operator";
GRANT SELECT ON TABLE reference_service.comments, reference_service.jobs, reference_service.api_keys, reference_service.invitations,
  reference_service.idempotency TO :"observer", :"operator";

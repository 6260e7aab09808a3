-- name: action_audit
-- needs: INSERT on capliquify_ops.audit
-- since: 14
-- params: actor text, verb text, tenant uuid, slug text, schema text, digest text, before text, after text, action text
-- why: what a remedy did, beside what the lifecycle did; the log on the machine that did it has the same, and had it first
INSERT INTO capliquify_ops.audit (actor, verb, tenant_id, slug, schema_name, plan_digest, before, after, run)
VALUES (%(actor)s, %(verb)s, %(tenant)s, %(slug)s, %(schema)s, %(digest)s, %(before)s::jsonb, %(after)s::jsonb, %(action)s)

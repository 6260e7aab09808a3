-- name: migrations_since
-- needs: SELECT on capliquify_ops.tenant_migration
-- since: 14
-- params: since timestamptz, at_most int
-- why: which migrations ran after a deploy: its code does not know them, and a rollback leaves them
SELECT m.file_name, pg_catalog.count(*)::int AS tenants
FROM capliquify_ops.tenant_migration AS m
WHERE m.state = 'done' AND m.finished_at > %(since)s
GROUP BY m.file_name
ORDER BY pg_catalog.max(m.finished_at) DESC, m.file_name
LIMIT %(at_most)s

-- name: attached
-- needs: nothing beyond CONNECT
-- since: 14
-- params: relations oid[]
-- why: triggers, rules and policies of tables and views; a trigger's copies on partitions where their state differs, a constraint's own where they are off
SELECT CASE WHEN t.tgisinternal AND t.tgparentid = 0 THEN 'pg_constraint' ELSE 'pg_trigger' END AS class, t.oid::bigint AS oid, t.tgrelid::bigint AS relation, 
  CASE WHEN t.tgisinternal AND t.tgparentid = 0 THEN (SELECT k.conname::text FROM pg_catalog.pg_constraint AS k WHERE k.oid = t.tgconstraint)
    ELSE t.tgname::text END AS name,
  CASE WHEN t.tgparentid = 0 AND NOT t.tgisinternal THEN pg_catalog.pg_get_triggerdef(t.oid) END AS definition, t.tgenabled::text AS state,
  ARRAY[]::text[] AS roles
FROM pg_catalog.pg_trigger AS t
WHERE t.tgrelid = ANY (%(relations)s::oid[])
  AND (CASE WHEN t.tgparentid <> 0 THEN false WHEN t.tgisinternal THEN t.tgenabled <> 'O' ELSE true END
    OR EXISTS (SELECT 1 FROM pg_catalog.pg_trigger AS p WHERE p.oid = t.tgparentid AND NOT p.tgisinternal AND p.tgenabled <> t.tgenabled))
UNION ALL
SELECT 'pg_rewrite', r.oid::bigint, r.ev_class::bigint, r.rulename::text, pg_catalog.pg_get_ruledef(r.oid), r.ev_enabled::text, ARRAY[]::text[]
FROM pg_catalog.pg_rewrite AS r
WHERE r.ev_class = ANY (%(relations)s::oid[]) AND r.rulename <> '_RETURN'
UNION ALL
SELECT 'pg_policy', p.oid::bigint, p.polrelid::bigint, p.polname::text,
  pg_catalog.concat(
    CASE WHEN NOT p.polpermissive THEN ' AS RESTRICTIVE' END,
    CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE' WHEN 'd' THEN ' FOR DELETE' END,
    CASE WHEN p.polroles <> '{0}' THEN ' TO ' || (
      SELECT pg_catalog.string_agg(CASE WHEN r.oid = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.oid)) END, ', ' ORDER BY r.position)
      FROM pg_catalog.unnest(p.polroles) WITH ORDINALITY AS r (oid, position)
    ) END,
    ' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
    ' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')'
  ), '', ARRAY(SELECT pg_catalog.pg_get_userbyid(r.oid)::text FROM pg_catalog.unnest(p.polroles) AS r (oid) WHERE r.oid <> 0 ORDER BY 1)
FROM pg_catalog.pg_policy AS p
WHERE p.polrelid = ANY (%(relations)s::oid[])
ORDER BY 1, 2

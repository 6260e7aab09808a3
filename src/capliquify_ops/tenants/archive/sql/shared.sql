-- name: shared
-- needs: nothing beyond CONNECT
-- since: 14
-- params: registry_schema text, registry_table text, names text[]
-- schemas: registry
-- why: the shared tables that hold rows of tenants, with the column that says whose they are
SELECT c.relname::text AS name,
  CASE WHEN c.oid = r.oid THEN 'id' ELSE (
    SELECT a.attname::text
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE k.conrelid = c.oid AND k.confrelid = r.oid AND k.contype = 'f' AND pg_catalog.cardinality(k.conkey) = 1
    ORDER BY k.conname LIMIT 1
  ) END AS tenant_column,
  ARRAY(
    SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY a.attnum
  ) AS columns,
  -- Rows that a policy hides would be missing without a word: only a policy of the tenant itself is understood.
  CASE WHEN pg_catalog.row_security_active(c.oid) THEN coalesce((
    SELECT pg_catalog.bool_and(pg_catalog.pg_get_expr(p.polqual, p.polrelid) LIKE '%%app.tenant\_id%%') FROM pg_catalog.pg_policy AS p
    WHERE p.polrelid = c.oid AND p.polcmd IN ('*', 'r')
  ), false) ELSE true END AS is_readable
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS r ON r.relnamespace = n.oid AND r.relname = %(registry_table)s
JOIN pg_catalog.unnest(%(names)s::text[]) WITH ORDINALITY AS o (name, position) ON true
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = o.name AND c.relkind IN ('r', 'p')
WHERE n.nspname = %(registry_schema)s
ORDER BY o.position

-- name: row_level_security
-- needs: nothing beyond CONNECT
-- since: 14
-- params: role text, tables text[] (schema.table), columns text[], registry text
-- why: which shared tables rely on row security, what their policies compare, and what the service's role may do with them
SELECT n.nspname::text AS schema_name, c.relname::text AS name, coalesce(t.name, '') AS tenant_column, coalesce(t.type, '') AS column_type, c.relrowsecurity AS is_on,
  pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER') AS is_owned,
  pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT') AS may_read,
  pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT') AS may_insert,
  pg_catalog.has_table_privilege(r.oid, c.oid, 'UPDATE') AS may_update,
  pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE') AS may_delete,
  ARRAY(
    SELECT DISTINCT m.found[1]
    FROM (
      SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
      FROM pg_catalog.pg_policy AS p
      WHERE p.polrelid = c.oid
      UNION ALL
      -- A policy may leave the comparison to a function.
      SELECT f.prosrc
      FROM pg_catalog.pg_policy AS p
      JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
        AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      JOIN pg_catalog.pg_proc AS f ON f.oid = d.refobjid
      WHERE p.polrelid = c.oid
    ) AS e (text)
    CROSS JOIN LATERAL pg_catalog.regexp_matches(e.text, 'current_setting\s*\(\s*''([^'']+)''', 'g') AS m (found)
    ORDER BY m.found[1]
  ) AS settings
FROM pg_catalog.pg_roles AS r
CROSS JOIN pg_catalog.unnest(%(tables)s::text[]) AS named (whole)
JOIN pg_catalog.pg_namespace AS n ON n.nspname::text = pg_catalog.split_part(named.whole, '.', 1)
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
  AND c.relname::text = pg_catalog.split_part(named.whole, '.', 2)
LEFT JOIN LATERAL (
  SELECT a.attname::text, pg_catalog.format_type(a.atttypid, NULL)
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND (a.attname::text = ANY (%(columns)s::text[]) OR (named.whole = %(registry)s::text AND a.attname::text = 'id'))
  ORDER BY a.attnum
  LIMIT 1
) AS t (name, type) ON true
WHERE r.rolname::text = %(role)s::text
ORDER BY n.nspname, c.relname

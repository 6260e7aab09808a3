-- name: registry_access
-- needs: nothing beyond CONNECT
-- since: 14
-- params: owner text
-- why: a registry that this role cannot read, or reads through row security, must not look like an empty one
SELECT
  c.oid IS NOT NULL AS is_there,
  coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), false) AS is_readable,
  coalesce(pg_catalog.row_security_active(c.oid), false) AS is_filtered,
  EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS r WHERE r.rolname::text = %(owner)s::text) AS owner_exists,
  current_user::text AS role,
  coalesce((
    SELECT pg_catalog.jsonb_object_agg(a.attname, pg_catalog.format_type(y.oid, NULL))
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS d ON d.oid = a.atttypid
    JOIN pg_catalog.pg_type AS y ON y.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  ), '{}') AS columns
FROM (SELECT 1) AS one
-- As a name it is found by the index, as text it is not cut to one.
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = :'registry_schema'::pg_catalog.name AND n.nspname::text = :'registry_schema'
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = :'registry_table'::pg_catalog.name
  AND c.relname::text = :'registry_table'

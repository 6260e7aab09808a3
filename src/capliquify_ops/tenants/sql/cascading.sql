-- name: cascading
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: whose rows go with a tenant's row: found by the foreign keys, not by a list of names
SELECT DISTINCT n.nspname::text AS schema, c.relname::text AS relation, a.attname::text AS attribute
FROM pg_catalog.pg_class AS registry
JOIN pg_catalog.pg_namespace AS home ON home.oid = registry.relnamespace
JOIN pg_catalog.pg_depend AS d
  ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = registry.oid
  AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
JOIN pg_catalog.pg_constraint AS k
  ON k.oid = d.objid AND k.contype = 'f' AND k.confrelid = registry.oid AND k.conrelid <> registry.oid
  AND k.confdeltype = 'c' AND k.conparentid = 0 AND pg_catalog.cardinality(k.conkey) = 1
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE home.nspname = :'registry_schema' AND registry.relname = :'registry_table'
ORDER BY 1, 2, 3

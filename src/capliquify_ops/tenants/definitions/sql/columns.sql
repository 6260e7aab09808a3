-- name: columns
-- needs: nothing beyond CONNECT
-- since: 14
-- params: relations oid[]
-- why: the columns of tables and composite types, each with its default
SELECT a.attrelid::bigint AS relation, a.attnum::int AS number, a.attname::text AS name,
  pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
  CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN a.attcollation::pg_catalog.regcollation::text END AS collation,
  a.attnotnull AS not_null, a.attidentity::text AS identity, a.attgenerated::text AS generated,
  pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_value, d.oid::bigint AS default_oid, a.attislocal AS is_local,
  CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END AS storage, a.attcompression::text AS compression,
  -- Not set: -1 up to 16, NULL from 17 on.
  coalesce(a.attstattarget, -1)::int AS statistics, a.attoptions AS options, a.attfdwoptions AS foreign_options, a.attacl::text[] AS acl,
  t.typtype = 'p' OR (t.typelem <> 0 AND (SELECT e.typtype = 'p' FROM pg_catalog.pg_type AS e WHERE e.oid = t.typelem)) AS is_pseudo
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY (%(relations)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum

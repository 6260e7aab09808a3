-- name: types
-- needs: nothing beyond CONNECT
-- since: 14
-- params: types oid[]
-- why: enums, domains, ranges and composite types
SELECT t.oid::bigint AS oid, t.typname::text AS name, t.typtype::text AS kind, pg_catalog.pg_get_userbyid(t.typowner)::text AS owner,
  t.typacl::text[] AS acl, t.typrelid::bigint AS relation,
  ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
  CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END AS base, t.typnotnull AS not_null,
  CASE WHEN t.typtype = 'd' THEN coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), pg_catalog.quote_literal(t.typdefault)) END AS default_value,
  CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation THEN t.typcollation::pg_catalog.regcollation::text END AS collation,
  pg_catalog.format_type(r.rngsubtype, NULL) AS subtype, (m.typname)::text AS multirange,
  CASE WHEN NOT o.opcdefault THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(o.opcname) END AS operator_class,
  CASE WHEN r.rngcollation NOT IN (0, u.typcollation) THEN r.rngcollation::pg_catalog.regcollation::text END AS range_collation,
  CASE WHEN r.rngsubdiff <> 0 THEN r.rngsubdiff::text END AS subtype_diff, coalesce(r.rngcanonical <> 0, false) AS has_canonical
FROM pg_catalog.pg_type AS t
LEFT JOIN pg_catalog.pg_type AS b ON b.oid = t.typbasetype
LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid = t.oid
LEFT JOIN pg_catalog.pg_type AS u ON u.oid = r.rngsubtype
LEFT JOIN pg_catalog.pg_type AS m ON m.oid = r.rngmultitypid
LEFT JOIN pg_catalog.pg_opclass AS o ON o.oid = r.rngsubopc
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = o.opcnamespace
WHERE t.oid = ANY (%(types)s::oid[])
ORDER BY t.oid

-- name: table_indexes
-- needs: SELECT on the registry table
-- since: 14
-- params: tables oid[], names text[], sample int
-- schemas: registry
-- why: the indexes of some tables beside those of a sample of the tenants: an index that most have and one lacks was forgotten there
WITH tenant (oid, name) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
-- Neither the oldest nor the newest tenants alone, and the same ones each time.
chosen AS MATERIALIZED (
  SELECT t.oid, t.name FROM tenant AS t ORDER BY pg_catalog.hashoid(t.oid), t.oid LIMIT %(sample)s
),
sibling AS (
  SELECT c.oid, t.name AS schema, c.relname::text AS relation, true AS is_sample
  FROM chosen AS t
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = t.oid AND c.relname = ANY (%(names)s::name[]) AND c.relkind = 'r'
  UNION
  SELECT c.oid, t.name, c.relname::text, t.oid IN (SELECT h.oid FROM chosen AS h)
  FROM pg_catalog.pg_class AS c
  JOIN tenant AS t ON t.oid = c.relnamespace
  WHERE c.oid = ANY (%(tables)s::oid[]) AND c.relkind = 'r'
)
SELECT s.oid::bigint AS oid, s.schema, s.relation, s.is_sample,
  coalesce(x.relname::text, '') AS index, coalesce(i.indisvalid AND i.indisready AND i.indislive, false) AS is_whole,
  coalesce(i.indisunique, false) AS is_unique,
  coalesce(
    m.amname || ' ' || ROW(
      i.indisunique, i.indnkeyatts, i.indclass, i.indcollation, i.indoption,
      (SELECT pg_catalog.array_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k.n, true) ORDER BY k.n)
       FROM pg_catalog.generate_series(1, i.indnatts::int) AS k (n)),
      pg_catalog.pg_get_expr(i.indpred, i.indrelid)
    )::text,
    ''
  ) AS shape,
  coalesce(
    pg_catalog.substr(
      pg_catalog.pg_get_indexdef(i.indexrelid),
      1 + pg_catalog.length(pg_catalog.format(
        'CREATE %%sINDEX %%I ON %%I.%%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname, s.schema, s.relation
      ))
    ),
    ''
  ) AS definition
FROM sibling AS s
LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = s.oid
LEFT JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
ORDER BY s.relation, s.oid, x.relname

-- name: migration_ledgers
-- needs: nothing beyond CONNECT
-- since: 14
-- params: tools text[], relations text[], columns text[]
-- why: the tables that are known as ledgers of migrations by name and columns, with what this role may read of them
WITH tool (name, relation, needed) AS (
  SELECT u.name, u.relation, pg_catalog.string_to_array(u.needed, ' ')
  FROM ROWS FROM (
    pg_catalog.unnest(%(tools)s::text[]), pg_catalog.unnest(%(relations)s::text[]), pg_catalog.unnest(%(columns)s::text[])
  ) AS u (name, relation, needed)
),
candidate (oid, schema, tool, needed, may_select) AS (
  SELECT c.oid, c.relnamespace, t.name, t.needed, pg_catalog.bool_and(pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'))
  FROM tool AS t
  JOIN pg_catalog.pg_class AS c ON c.relname = t.relation::name AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attname::text = ANY (t.needed)
  GROUP BY c.oid, c.relnamespace, t.name, t.needed
  HAVING pg_catalog.count(*) = pg_catalog.cardinality(t.needed)
),
-- Two tools call theirs schema_migrations: it is the one's that asks for more columns.
ledger AS (
  SELECT DISTINCT ON (c.oid) c.oid, c.schema, c.tool, c.may_select
  FROM candidate AS c
  ORDER BY c.oid, pg_catalog.cardinality(c.needed) DESC
)
SELECT n.nspname::text AS schema, l.tool, l.may_select AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS may_select,
  pg_catalog.row_security_active(l.oid) AS is_filtered,
  (1 + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index AS i WHERE i.indrelid = l.oid))::int AS locks
FROM ledger AS l
JOIN pg_catalog.pg_namespace AS n ON n.oid = l.schema
ORDER BY 1, 2

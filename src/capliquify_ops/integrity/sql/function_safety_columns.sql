-- name: function_safety_columns
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schemas text[], tables text[]
-- why: the columns of the tables that functions ask, where an unqualified name could mean them
SELECT n.nspname::text AS schema, c.relname::text AS name, pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname::text = ANY (%(schemas)s::text[]) AND c.relname::text = ANY (%(tables)s::text[])
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
GROUP BY n.nspname, c.relname
ORDER BY 1, 2

-- name: empty_tables
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schemas text[], tables text[]
-- why: a table without a single page has no rows, whoever asks; whether others have any, only SELECT could tell
SELECT a.schema, a.relation
FROM ROWS FROM (pg_catalog.unnest(%(schemas)s::text[]), pg_catalog.unnest(%(tables)s::text[])) AS a (schema, relation)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = a.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.relation AND c.relkind = 'r'
WHERE pg_catalog.pg_relation_size(c.oid) = 0
ORDER BY 1, 2

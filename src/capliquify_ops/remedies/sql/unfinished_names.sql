-- name: unfinished_names
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schemas text[]
-- why: which table and which object a name of two parts stands for, and whether an invalid index can be built again at all
WITH relation (oid, schema, name) AS MATERIALIZED (
  SELECT c.oid, n.nspname::text, c.relname::text
  FROM pg_catalog.pg_namespace AS n
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'm')
  WHERE n.nspname::text = ANY (%(schemas)s::text[])
)
SELECT r.schema, 'invalid index' AS kind, r.name AS relation, c.relname::text AS name,
  coalesce(pg_catalog.pg_get_indexdef(c.oid), '') AS definition, c.relkind = 'I' OR x.indisexclusion AS is_apart,
  EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS o
    WHERE o.indrelid = x.indrelid AND o.indexrelid <> x.indexrelid AND o.indisunique = x.indisunique
      AND (o.indkey::text, o.indclass::text, o.indcollation::text, o.indoption::text)
        = (x.indkey::text, x.indclass::text, x.indcollation::text, x.indoption::text)
      AND pg_catalog.pg_get_expr(o.indpred, o.indrelid) IS NOT DISTINCT FROM pg_catalog.pg_get_expr(x.indpred, x.indrelid)
      AND pg_catalog.pg_get_expr(o.indexprs, o.indrelid) IS NOT DISTINCT FROM pg_catalog.pg_get_expr(x.indexprs, x.indrelid)
  ) AS has_twin
FROM relation AS r
JOIN pg_catalog.pg_index AS x ON x.indrelid = r.oid AND NOT (x.indisvalid AND x.indisready AND x.indislive)
JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
UNION ALL
SELECT r.schema, 'unvalidated constraint', r.name, k.conname::text, '', false, false
FROM relation AS r
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = r.oid AND NOT k.convalidated
ORDER BY 1, 2, 3, 4

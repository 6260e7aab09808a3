-- name: unfinished_objects
-- needs: SELECT on the registry table
-- since: 14
-- params: at_most int
-- schemas: registry
-- why: what seems to be there and does not do its work: indexes and constraints half made, triggers switched off, indexes made twice
WITH tenant (oid, name) AS MATERIALIZED (
  SELECT n.oid, n.nspname::text
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.schema_name::text = n.nspname::text)
),
relation (oid, schema, name) AS MATERIALIZED (
  SELECT c.oid, t.name, c.relname::text
  FROM pg_catalog.pg_class AS c JOIN tenant AS t ON t.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'm')
),
-- An index under construction looks invalid. Its builder reports progress and holds a lock on the table: every role may see both.
building (relation) AS (
  SELECT l.relation
  FROM pg_catalog.pg_stat_progress_create_index AS p
  JOIN pg_catalog.pg_database AS d ON d.oid = p.datid AND d.datname = pg_catalog.current_database()
  JOIN pg_catalog.pg_locks AS l ON l.pid = p.pid AND l.database = d.oid AND l.locktype = 'relation' AND l.granted
),
-- Compared only where the columns of the table are the same: nearly nowhere.
twin (relation, oid) AS MATERIALIZED (
  SELECT g.relation, u.oid
  FROM (
    SELECT i.indrelid, pg_catalog.array_agg(i.indexrelid)
    FROM pg_catalog.pg_index AS i
    WHERE i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY i.indrelid, i.indkey::text
    HAVING pg_catalog.count(*) > 1
  ) AS g (relation, oids)
  CROSS JOIN LATERAL pg_catalog.unnest(g.oids) AS u (oid)
),
index (oid, relation, name, is_removable, method, keys) AS (
  -- Removable is what nothing else needs: no unique rule, no constraint, no identity or order of rows. Columns that ride along are among
  -- the keys that both have.
  SELECT t.oid, t.relation, c.relname::text,
    NOT (i.indisunique OR i.indisexclusion OR i.indisreplident OR i.indisclustered),
    c.relam, ROW(i.indkey::text, i.indclass, i.indcollation, i.indoption::text, i.indnkeyatts)
  FROM twin AS t
  JOIN pg_catalog.pg_index AS i ON i.indexrelid = t.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = t.oid
)
SELECT r.schema, 'invalid index' AS kind, r.name || '.' || c.relname AS object,
  CASE WHEN x.indisunique THEN 'its unique rule does not hold' ELSE 'no query uses it' END AS detail
FROM relation AS r
JOIN pg_catalog.pg_index AS x ON x.indrelid = r.oid AND NOT (x.indisvalid AND x.indisready AND x.indislive)
JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
WHERE NOT EXISTS (SELECT 1 FROM building AS b WHERE b.relation = r.oid)
UNION ALL
-- The column exists from 18 on; what is not enforced is never validated either.
SELECT r.schema,
  CASE WHEN pg_catalog.to_jsonb(k) ->> 'conenforced' = 'false' THEN 'unenforced constraint' ELSE 'unvalidated constraint' END,
  r.name || '.' || k.conname, ''
FROM relation AS r
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = r.oid AND NOT k.convalidated
UNION ALL
SELECT DISTINCT r.schema, 'disabled trigger', r.name || '.' || coalesce(k.conname, g.tgname), ''
FROM relation AS r
JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = r.oid AND g.tgenabled = 'D'
LEFT JOIN pg_catalog.pg_constraint AS k ON k.oid = g.tgconstraint AND g.tgisinternal
UNION ALL
SELECT r.schema, 'duplicate index', r.name || '.' || a.name, pg_catalog.min(b.name)
FROM relation AS r
JOIN index AS a ON a.relation = r.oid AND a.is_removable
-- Of two that are alike the older one stays.
JOIN index AS b ON b.relation = a.relation AND b.oid <> a.oid AND b.method = a.method AND b.keys = a.keys
  AND (b.oid < a.oid OR NOT b.is_removable)
GROUP BY r.schema, r.name, a.name
ORDER BY 2, 3, 1, 4
LIMIT %(at_most)s

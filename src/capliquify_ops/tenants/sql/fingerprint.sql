-- name: fingerprint
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema oid, low oid, high oid
-- why: sums of hashes add up over pages of relations, and say which schemas differ without deparsing an index or a constraint
-- One schema, walked from its OID through pg_depend, when schema is given; else every schema, for relations low <= oid < high.
-- Each part is hashed by names. A reference into the own schema reads as ~, so equal tenants have equal sums.
WITH own AS MATERIALIZED (
  SELECT n.oid AS schema, pg_catalog.quote_ident(n.nspname) || '.' AS prefix
  FROM pg_catalog.pg_namespace AS n
  WHERE NOT pg_catalog.starts_with(n.nspname::text, 'pg_') AND n.nspname <> 'information_schema'
    AND (%(schema)s::oid IS NULL OR n.oid = %(schema)s::oid)
),
relation AS MATERIALIZED (
  SELECT c.oid, own.schema, own.prefix, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
    c.relispartition, c.reloptions
  FROM pg_catalog.pg_class AS c
  JOIN own ON own.schema = c.relnamespace
  WHERE %(schema)s::oid IS NULL AND c.oid >= %(low)s::oid AND c.oid < %(high)s::oid
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
  UNION ALL
  SELECT c.oid, own.schema, own.prefix, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
    c.relispartition, c.reloptions
  FROM pg_catalog.pg_depend AS d
  JOIN pg_catalog.pg_class AS c ON c.oid = d.objid
  JOIN own ON own.schema = c.relnamespace
  WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = %(schema)s::oid
    AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
),
attribute AS MATERIALIZED (
  SELECT r.schema, r.prefix, r.relname, a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity,
    a.attgenerated, a.atthasdef, a.attcollation
  FROM relation AS r
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid
  WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind <> 'S'
),
part (schema, kind, text) AS (
  SELECT r.schema, 'objects', ROW(r.relkind, r.relname, r.relpersistence, r.relrowsecurity,
      r.relforcerowsecurity, r.relispartition, r.reloptions)::text
  FROM relation AS r
  UNION ALL
  SELECT r.schema, 'objects', ROW('definition', r.relname,
      pg_catalog.replace(pg_catalog.pg_get_viewdef(r.oid), r.prefix, '~.'))::text
  FROM relation AS r
  WHERE r.relkind IN ('v', 'm')
  UNION ALL
  SELECT r.schema, 'objects', ROW('sequence', r.relname, q.seqtypid, q.seqstart, q.seqincrement, q.seqmax, q.seqmin, q.seqcache,
      q.seqcycle)::text
  FROM relation AS r
  JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = r.oid
  UNION ALL
  SELECT r.schema, 'objects', ROW('policy', r.relname, y.polname, y.polcmd, y.polpermissive,
      pg_catalog.regexp_replace(y.polqual::text, ':location -?\d+', '', 'g'),
      pg_catalog.regexp_replace(y.polwithcheck::text, ':location -?\d+', '', 'g'))::text
  FROM relation AS r
  JOIN pg_catalog.pg_policy AS y ON y.polrelid = r.oid
  UNION ALL
  SELECT own.schema, 'objects', ROW('routine', p.proname, p.prokind, p.provolatile, p.proisstrict, p.prosecdef, p.pronargs,
      p.proargnames, pg_catalog.replace(p.prosrc, own.prefix, '~.'))::text
  FROM own
  JOIN pg_catalog.pg_proc AS p ON p.pronamespace = own.schema
  WHERE (%(schema)s::oid IS NULL AND %(low)s::oid = 0) OR p.oid = ANY (ARRAY(
    SELECT d.objid
    FROM pg_catalog.pg_depend AS d
    WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = %(schema)s::oid
      AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  ))
  UNION ALL
  SELECT own.schema, 'objects', ROW('type', t.typname, t.typtype, t.typnotnull, t.typbasetype, t.typtypmod, t.typdefault, ARRAY(
      SELECT e.enumlabel FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder
    ))::text
  FROM own
  JOIN pg_catalog.pg_type AS t ON t.typnamespace = own.schema
  WHERE t.typtype IN ('e', 'd', 'r') AND ((%(schema)s::oid IS NULL AND %(low)s::oid = 0) OR t.oid = ANY (ARRAY(
    SELECT d.objid
    FROM pg_catalog.pg_depend AS d
    WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = %(schema)s::oid
      AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
  )))
  UNION ALL
  SELECT a.schema, 'columns', ROW(a.relname, a.attname,
      CASE WHEN a.atttypid < 16384 THEN a.atttypid::text
      ELSE (
        SELECT CASE WHEN t.typnamespace = a.schema THEN '~.' ELSE t.typnamespace::text || '.' END || t.typname
        FROM pg_catalog.pg_type AS t WHERE t.oid = a.atttypid
      ) END,
      a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated, a.atthasdef, a.attcollation)::text
  FROM attribute AS a
  UNION ALL
  -- Deparsed where the expression has no columns: with a relation pg_get_expr would lock it, and keep it in this session's memory.
  -- Else the stored tree, whose locations are leftovers of the statement that made it.
  SELECT a.schema, 'columns', ROW(a.relname, a.attname,
      CASE WHEN a.attgenerated = '' THEN pg_catalog.replace(pg_catalog.pg_get_expr(d.adbin, 0), a.prefix, '~.')
      ELSE pg_catalog.regexp_replace(d.adbin::text, ':location -?\d+', '', 'g') END)::text
  FROM attribute AS a
  JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  UNION ALL
  SELECT r.schema, 'indexes', ROW(r.relname, c.relname, c.relam, i.indisunique, i.indisprimary,
      i.indisexclusion, i.indimmediate, i.indisvalid, i.indisready, i.indnkeyatts, i.indclass, i.indcollation, i.indoption,
      c.reloptions,
      -- The column exists from 15 on.
      CASE WHEN i.indisunique AND NOT i.indisprimary THEN pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' END,
      pg_catalog.regexp_replace(i.indexprs::text, ':location -?\d+', '', 'g'),
      pg_catalog.regexp_replace(i.indpred::text, ':location -?\d+', '', 'g'))::text
  FROM relation AS r
  JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  UNION ALL
  -- A key column is a part of its own: sums need no ordered list.
  SELECT a.schema, 'indexes', ROW(a.relname, c.relname, k.position, a.attname)::text
  FROM relation AS r
  JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
  JOIN attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
  UNION ALL
  SELECT r.schema, 'constraints', ROW(r.relname, CASE WHEN c.contype <> 'n' THEN c.conname END, c.contype,
      c.condeferrable, c.condeferred, c.convalidated,
      -- The column exists from 18 on; what is not enforced is never validated either.
      CASE WHEN NOT c.convalidated THEN pg_catalog.to_jsonb(c) ->> 'conenforced' END,
      c.confupdtype, c.confdeltype, c.confmatchtype,
      CASE WHEN f.relnamespace = r.schema THEN '~.' ELSE f.relnamespace::text || '.' END || f.relname,
      pg_catalog.regexp_replace(c.conbin::text, ':location -?\d+', '', 'g'))::text
  FROM relation AS r
  JOIN pg_catalog.pg_constraint AS c ON c.conrelid = r.oid
  LEFT JOIN pg_catalog.pg_class AS f ON f.oid = c.confrelid
  -- From 18 on NOT NULL is a constraint too; attnotnull says it for all versions, except that it may not be validated.
  WHERE c.contype <> 'n' OR NOT c.convalidated
  UNION ALL
  SELECT a.schema, 'constraints', ROW(a.relname, c.conname, k.position, a.attname)::text
  FROM relation AS r
  JOIN pg_catalog.pg_constraint AS c ON c.conrelid = r.oid
  CROSS JOIN LATERAL pg_catalog.unnest(c.conkey) WITH ORDINALITY AS k (attnum, position)
  JOIN attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
  WHERE c.contype <> 'n'
  UNION ALL
  SELECT r.schema, 'constraints', ROW('to', r.relname, c.conname, k.position, a.attname)::text
  FROM relation AS r
  JOIN pg_catalog.pg_constraint AS c ON c.conrelid = r.oid
  CROSS JOIN LATERAL pg_catalog.unnest(c.confkey) WITH ORDINALITY AS k (attnum, position)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.attnum
  WHERE c.contype = 'f'
  UNION ALL
  -- The hidden triggers of a foreign key follow from it, as long as nobody switched them off. Their names carry OIDs.
  SELECT r.schema, 'triggers', ROW(r.relname, CASE WHEN t.tgisinternal THEN '' ELSE t.tgname END, t.tgtype,
      t.tgenabled, t.tgdeferrable, t.tginitdeferred, t.tgattr, t.tgnargs, t.tgargs,
      CASE WHEN t.tgfoid < 16384 THEN t.tgfoid::text
      ELSE (
        SELECT CASE WHEN p.pronamespace = r.schema THEN '~.' ELSE p.pronamespace::text || '.' END || p.proname
        FROM pg_catalog.pg_proc AS p WHERE p.oid = t.tgfoid
      ) END,
      pg_catalog.regexp_replace(t.tgqual::text, ':location -?\d+', '', 'g'))::text
  FROM relation AS r
  JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
  WHERE NOT t.tgisinternal OR t.tgenabled <> 'O'
),
hashed AS (
  SELECT p.schema, p.kind, pg_catalog.hashtextextended(p.text, 0) AS hash FROM part AS p
)
SELECT h.schema, h.kind, pg_catalog.count(*)::bigint AS parts, pg_catalog.sum(h.hash)::text AS total
FROM hashed AS h
GROUP BY h.schema, h.kind
ORDER BY h.schema, h.kind

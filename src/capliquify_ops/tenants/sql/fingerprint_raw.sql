-- name: fingerprint_raw
-- needs: nothing beyond CONNECT
-- since: 14
-- params: low oid, high oid
-- why: schemas with equal sums here have equal fingerprints: one of each group is enough to tell what all of them are
-- Finer than the fingerprint and several times as fast: columns count by number, expressions as they are stored, locations included.
WITH own AS NOT MATERIALIZED (
  SELECT n.oid AS schema, pg_catalog.quote_ident(n.nspname) || '.' AS prefix
  FROM pg_catalog.pg_namespace AS n
  WHERE NOT pg_catalog.starts_with(n.nspname::text, 'pg_') AND n.nspname <> 'information_schema'
),
-- Not materialised: then the planner knows how many there are, and makes a hash of these and not of all columns.
relation AS NOT MATERIALIZED (
  SELECT c.oid, own.schema, own.prefix, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
    c.relispartition, c.reloptions
  FROM pg_catalog.pg_class AS c
  JOIN own ON own.schema = c.relnamespace
  WHERE c.oid >= %(low)s::oid AND c.oid < %(high)s::oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
),
-- Defaults that use what somebody made, such as a sequence: stored, they name it by OID; deparsed, by name. Columns that a
-- generated one uses are not among them: they are stored by number.
deparsed AS NOT MATERIALIZED (
  SELECT DISTINCT d.objid AS oid
  FROM pg_catalog.pg_depend AS d
  WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.deptype = 'n' AND d.refobjid >= 16384
    AND d.refobjsubid = 0
),
part (schema, hash) AS (
  SELECT r.schema, pg_catalog.hash_record_extended(ROW(1, r.relkind, r.relname, r.relpersistence, r.relrowsecurity,
    r.relforcerowsecurity, r.relispartition, r.reloptions,
    CASE WHEN r.relkind IN ('v', 'm') THEN pg_catalog.replace(pg_catalog.pg_get_viewdef(r.oid), r.prefix, '~.') END), 0)
  FROM relation AS r
  UNION ALL
  SELECT r.schema, pg_catalog.hash_record_extended(ROW(2, r.relname, q.seqtypid, q.seqstart, q.seqincrement, q.seqmax, q.seqmin,
    q.seqcache, q.seqcycle), 0)
  FROM relation AS r
  JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = r.oid
  UNION ALL
  SELECT r.schema, pg_catalog.hash_record_extended(ROW(3, r.relname, y.polname, y.polcmd, y.polpermissive, y.polroles,
    y.polqual::text, y.polwithcheck::text), 0)
  FROM relation AS r
  JOIN pg_catalog.pg_policy AS y ON y.polrelid = r.oid
  UNION ALL
  SELECT own.schema, pg_catalog.hash_record_extended(ROW(4, p.proname, p.prokind, p.provolatile, p.proisstrict, p.prosecdef,
    p.pronargs, p.proargnames, pg_catalog.replace(p.prosrc, own.prefix, '~.')), 0)
  FROM own
  JOIN pg_catalog.pg_proc AS p ON p.pronamespace = own.schema
  WHERE %(low)s::oid = 0
  UNION ALL
  SELECT own.schema, pg_catalog.hash_record_extended(ROW(5, t.typname, t.typtype, t.typnotnull, t.typbasetype, t.typtypmod,
    t.typdefault, ARRAY(SELECT e.enumlabel FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)), 0)
  FROM own
  JOIN pg_catalog.pg_type AS t ON t.typnamespace = own.schema
  WHERE t.typtype IN ('e', 'd', 'r') AND %(low)s::oid = 0
  UNION ALL
  SELECT r.schema, pg_catalog.hash_record_extended(ROW(6, r.relname, a.attnum, a.attname,
    CASE WHEN a.atttypid < 16384 THEN a.atttypid::text
    ELSE (
      SELECT CASE WHEN t.typnamespace = r.schema THEN '~.' ELSE t.typnamespace::text || '.' END || t.typname
      FROM pg_catalog.pg_type AS t WHERE t.oid = a.atttypid
    ) END,
    a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated, a.atthasdef, a.attcollation), 0)
  FROM relation AS r
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid
  WHERE a.attrelid >= %(low)s::oid AND a.attrelid < %(high)s::oid AND a.attnum > 0 AND NOT a.attisdropped AND r.relkind <> 'S'
  UNION ALL
  SELECT r.schema, pg_catalog.hash_record_extended(ROW(7, r.relname, d.adnum,
    CASE WHEN x.oid IS NULL OR (
      SELECT a.attgenerated <> '' FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = d.adrelid AND a.attnum = d.adnum
    ) THEN d.adbin::text ELSE pg_catalog.replace(pg_catalog.pg_get_expr(d.adbin, 0), r.prefix, '~.') END), 0)
  FROM relation AS r
  JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = r.oid
  LEFT JOIN deparsed AS x ON x.oid = d.oid
  WHERE d.adrelid >= %(low)s::oid AND d.adrelid < %(high)s::oid
  UNION ALL
  SELECT r.schema, pg_catalog.hash_record_extended(ROW(8, r.relname, c.relname, c.relam, i.indisunique, i.indisprimary,
    i.indisexclusion, i.indimmediate, i.indisvalid, i.indisready, i.indnkeyatts, i.indkey::int2[], i.indclass, i.indcollation,
    i.indoption::int2[], c.reloptions,
    CASE WHEN i.indisunique AND NOT i.indisprimary THEN (SELECT indnullsnotdistinct FROM (SELECT i.*) AS own_columns) END,
    i.indexprs::text, i.indpred::text), 0)
  FROM relation AS r
  JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  -- A name that is not the index's own is this one: before 15 there was no such column.
  CROSS JOIN (SELECT NULL::boolean AS indnullsnotdistinct) AS before_15
  WHERE i.indrelid >= %(low)s::oid AND i.indrelid < %(high)s::oid
  UNION ALL
  SELECT r.schema, pg_catalog.hash_record_extended(ROW(9, r.relname, CASE WHEN c.contype <> 'n' THEN c.conname END, c.contype,
    c.condeferrable, c.condeferred, c.convalidated,
    CASE WHEN NOT c.convalidated THEN pg_catalog.to_jsonb(c) ->> 'conenforced' END,
    c.confupdtype, c.confdeltype, c.confmatchtype, f.relnamespace = r.schema,
    CASE WHEN f.relnamespace <> r.schema THEN f.relnamespace END, f.relname, c.conkey, c.confkey, c.conbin::text), 0)
  FROM relation AS r
  JOIN pg_catalog.pg_constraint AS c ON c.conrelid = r.oid
  LEFT JOIN pg_catalog.pg_class AS f ON f.oid = c.confrelid
  WHERE c.conrelid >= %(low)s::oid AND c.conrelid < %(high)s::oid AND (c.contype <> 'n' OR NOT c.convalidated)
  UNION ALL
  -- The hidden triggers of a foreign key follow from it, as long as nobody switched them off.
  SELECT r.schema, pg_catalog.hash_record_extended(ROW(10, r.relname, CASE WHEN NOT t.tgisinternal THEN t.tgname END, t.tgtype,
    t.tgenabled, t.tgdeferrable, t.tginitdeferred, t.tgattr::int2[], t.tgnargs, t.tgargs,
    CASE WHEN t.tgfoid < 16384 THEN t.tgfoid::text
    ELSE (
      SELECT CASE WHEN p.pronamespace = r.schema THEN '~.' ELSE p.pronamespace::text || '.' END || p.proname
      FROM pg_catalog.pg_proc AS p WHERE p.oid = t.tgfoid
    ) END,
    t.tgqual::text), 0)
  FROM relation AS r
  JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
  WHERE NOT t.tgisinternal OR t.tgenabled <> 'O'
)
SELECT p.schema, pg_catalog.count(*)::bigint AS parts, pg_catalog.sum(p.hash)::text AS total
FROM part AS p
GROUP BY p.schema
ORDER BY p.schema

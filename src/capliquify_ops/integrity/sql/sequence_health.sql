-- name: sequence_health
-- needs: SELECT on the registry table
-- since: 14
-- params: none
-- schemas: registry
-- why: sequences of live tenants, each in a row of its own and in one for each column that it is for, with what this role may read
WITH tenant (oid) AS MATERIALIZED (
  SELECT n.oid
  FROM pg_catalog.pg_namespace AS n
  WHERE EXISTS (
    SELECT 1 FROM :"registry_schema".:"registry_table" AS t WHERE t.deleted_at IS NULL AND t.schema_name::text = n.nspname::text
  )
),
usage (sequence, relation, attnum, draws) AS MATERIALIZED (
  SELECT u.sequence, u.relation, u.attnum, pg_catalog.bool_or(u.draws)
  FROM (
    -- From each sequence by an index, whatever the planner believes of a catalogue that was never analyzed.
    SELECT s.oid, 0::oid, 0::int2, false
    FROM pg_catalog.pg_class AS s
    WHERE s.relkind = 'S'
    UNION ALL
    SELECT s.oid, d.refobjid, d.refobjsubid::int2, d.deptype = 'i'
    FROM pg_catalog.pg_class AS s
    CROSS JOIN LATERAL (
      SELECT x.refclassid, x.refobjid, x.refobjsubid, x.deptype
      FROM pg_catalog.pg_depend AS x
      WHERE x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND x.objid = s.oid
      OFFSET 0
    ) AS d
    WHERE s.relkind = 'S' AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
      AND d.refobjsubid > 0
    UNION ALL
    -- Draws: nothing but nextval, with the cast to a narrower column around it. Who computes with it has other keys than values.
    SELECT s.oid, f.adrelid, f.adnum,
      pg_catalog.starts_with(f.adbin::text, '{FUNCEXPR :funcid 1574 ')
        OR pg_catalog.split_part(f.adbin::text, ' ', 3) IN ('480', '714')
          AND pg_catalog.starts_with(pg_catalog.split_part(f.adbin::text, ':args (', 2), '{FUNCEXPR :funcid 1574 ')
    FROM pg_catalog.pg_class AS s
    CROSS JOIN LATERAL (
      SELECT x.classid, x.objid
      FROM pg_catalog.pg_depend AS x
      WHERE x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND x.refobjid = s.oid
      OFFSET 0
    ) AS d
    JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
    WHERE s.relkind = 'S' AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
  ) AS u (sequence, relation, attnum, draws)
  GROUP BY u.sequence, u.relation, u.attnum
)
-- Asked as IN within OR and CASE, tenants are hashed whatever the planner believes of their number.
SELECT s.oid::bigint AS oid, sn.nspname::text AS sequence_schema, s.relname::text AS sequence,
  q.seqincrement AS increment, q.seqmin AS lowest, q.seqmax AS highest, q.seqcycle AS is_cycling,
  pg_catalog.has_sequence_privilege(s.oid, 'SELECT, USAGE') AS is_readable,
  pg_catalog.has_sequence_privilege(s.oid, 'SELECT') AND pg_catalog.has_schema_privilege(sn.oid, 'USAGE') AS is_selectable,
  CASE WHEN rn.oid IN (SELECT t.oid FROM tenant AS t) THEN rn.nspname::text ELSE sn.nspname::text END AS tenant,
  coalesce(rn.nspname::text, '') AS table_schema, coalesce(r.relname::text, '') AS relation,
  coalesce(a.attname::text, '') AS attribute, coalesce(a.atttypid, 0)::bigint AS type,
  u.draws, EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS i
    WHERE i.indrelid = u.relation AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indkey[0] = u.attnum
      AND i.indpred IS NULL
  ) AS is_key,
  coalesce(r.relkind = 'p', false) AS is_partitioned,
  coalesce(pg_catalog.has_schema_privilege(rn.oid, 'USAGE') AND pg_catalog.has_column_privilege(r.oid, u.attnum, 'SELECT'), false)
    AS may_select,
  coalesce(pg_catalog.row_security_active(r.oid), false) AS is_filtered,
  -- The planner locks a relation and all its indexes, and those of all partitions; the sequence is one more.
  CASE
    WHEN r.relkind = 'p' THEN 1 + (
      WITH RECURSIVE tree (oid) AS (
        SELECT r.oid
        UNION ALL
        SELECT i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid
      )
      SELECT pg_catalog.count(DISTINCT t.oid) + pg_catalog.count(x.indexrelid)
      FROM tree AS t
      LEFT JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid
    )
    ELSE 2 + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index AS x WHERE x.indrelid = u.relation)
  END AS locks
FROM usage AS u
JOIN pg_catalog.pg_class AS s ON s.oid = u.sequence
JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace
JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = u.sequence
LEFT JOIN pg_catalog.pg_class AS r ON r.oid = u.relation
LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = u.relation AND a.attnum = u.attnum
WHERE (sn.oid IN (SELECT t.oid FROM tenant AS t) OR rn.oid IN (SELECT t.oid FROM tenant AS t))
  -- A standby holds nothing of what is unlogged. A partition is numbered by its parent.
  AND (s.relpersistence = 'p' OR s.relpersistence = 'u' AND NOT pg_catalog.pg_is_in_recovery())
  AND (u.relation = 0 OR r.relkind IN ('r', 'p') AND NOT r.relispartition AND r.relpersistence <> 't')
ORDER BY s.oid, u.relation, u.attnum

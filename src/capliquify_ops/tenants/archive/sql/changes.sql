-- name: changes
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text
-- why: one number that changes with what a snapshot does not hold still: deparsed definitions, names of columns and of an enum's values, and TRUNCATE
WITH RECURSIVE inside (classid, objid) AS (
  SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %(schema)s
  UNION
  SELECT d.classid, d.objid
  FROM inside AS i
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = i.classid AND d.refobjid = i.objid
    AND (d.deptype IN ('a', 'i', 'P', 'S') OR i.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass)
    -- Row types, array types and TOAST tables only follow what they belong to.
    AND (d.deptype <> 'i' OR d.classid NOT IN ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass)
      OR (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND (d.refobjsubid > 0 OR d.refclassid <> d.classid)))
),
-- The transaction that wrote each row, looked up by its key: a join might read a catalogue of the whole fleet instead.
version (object, own) AS (
  SELECT i.objid,
    CASE i.classid
      WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN (
        SELECT pg_catalog.concat_ws(' ', c.xmin, CASE WHEN c.relkind NOT IN ('i', 'I', 'S') THEN (
          -- A column is never taken out, only written anew: later transactions make the sum larger.
          SELECT pg_catalog.sum(a.xmin::text::bigint) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0
        ) END)
        FROM pg_catalog.pg_class AS c WHERE c.oid = i.objid
      )
      WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_constraint AS c WHERE c.oid = i.objid)
      -- Never written anew: another default has another OID.
      WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN ''
      WHEN 'pg_catalog.pg_trigger'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_trigger AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN (
        SELECT pg_catalog.concat_ws(' ', c.xmin, CASE WHEN c.typtype = 'e' THEN (
          SELECT pg_catalog.sum(e.xmin::text::bigint) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = c.oid
        ) END)
        FROM pg_catalog.pg_type AS c WHERE c.oid = i.objid
      )
      WHEN 'pg_catalog.pg_namespace'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_namespace AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_proc AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_rewrite AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_policy'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_policy AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_statistic_ext AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_collation'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_collation AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_operator'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_operator AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_ts_dict'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_ts_dict AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_ts_config'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_ts_config AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_default_acl'::pg_catalog.regclass THEN (SELECT c.xmin::text FROM pg_catalog.pg_default_acl AS c WHERE c.oid = i.objid)
    END
  FROM inside AS i
)
SELECT pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat_ws('|', v.object, coalesce(v.own, '')), 0))::text AS digest
FROM version AS v
ORDER BY 1

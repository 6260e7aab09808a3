-- name: changes
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text
-- why: one number that changes with any definition in a schema, and with TRUNCATE; statistics and vacuum leave it alone
WITH RECURSIVE inside (classid, objid) AS (
  SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %(schema)s
  UNION
  SELECT d.classid, d.objid
  FROM inside AS i
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = i.classid AND d.refobjid = i.objid
    AND (d.deptype IN ('a', 'i', 'P', 'S') OR i.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass)
),
-- The transaction that wrote each row, looked up by its key: a join might read a catalogue of the whole fleet instead.
version (object, own, pieces, comments) AS (
  SELECT i.objid,
    CASE i.classid
      WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_class AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_constraint AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_attrdef AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_trigger'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_trigger AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_type AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_namespace'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_namespace AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_proc AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_rewrite AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_policy'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_policy AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_statistic_ext AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_collation'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_collation AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_operator'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_operator AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_ts_dict'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_ts_dict AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_ts_config'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_ts_config AS c WHERE c.oid = i.objid)
      WHEN 'pg_catalog.pg_default_acl'::pg_catalog.regclass THEN (SELECT c.xmin FROM pg_catalog.pg_default_acl AS c WHERE c.oid = i.objid)
    END::text,
    CASE i.classid
      WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN pg_catalog.concat_ws(' ',
        -- A column is never taken out, only written anew: later transactions make the sum larger.
        (SELECT pg_catalog.sum(a.xmin::text::bigint) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = i.objid AND a.attnum > 0),
        (SELECT x.xmin FROM pg_catalog.pg_index AS x WHERE x.indexrelid = i.objid),
        (SELECT q.xmin FROM pg_catalog.pg_sequence AS q WHERE q.seqrelid = i.objid),
        (SELECT pg_catalog.string_agg(h.inhparent::text || ' ' || h.inhseqno::text, ' ' ORDER BY h.inhseqno) FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = i.objid)
      )
      WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN (SELECT pg_catalog.sum(e.xmin::text::bigint)::text FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = i.objid)
      WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN (SELECT g.xmin::text FROM pg_catalog.pg_aggregate AS g WHERE g.aggfnoid = i.objid)
      WHEN 'pg_catalog.pg_ts_config'::pg_catalog.regclass THEN (
        SELECT pg_catalog.string_agg(m.xmin::text, ' ' ORDER BY m.maptokentype, m.mapseqno) FROM pg_catalog.pg_ts_config_map AS m WHERE m.mapcfg = i.objid
      )
    END,
    (SELECT pg_catalog.string_agg(t.xmin::text, ' ' ORDER BY t.objsubid) FROM pg_catalog.pg_description AS t WHERE t.objoid = i.objid AND t.classoid = i.classid)
  FROM inside AS i
)
SELECT pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat_ws('|', v.object, coalesce(v.own, ''), coalesce(v.pieces, ''), v.comments), 0))::text AS digest
FROM version AS v
ORDER BY 1

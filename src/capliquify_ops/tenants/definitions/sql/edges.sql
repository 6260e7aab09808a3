-- name: edges
-- needs: nothing beyond CONNECT
-- since: 14
-- params: name text
-- why: everything inside one schema with what it depends on, walked from the schema's OID: the price of the tenant, not of the fleet
WITH RECURSIVE inside (classid, objid) AS (
  SELECT d.classid, d.objid
  FROM pg_catalog.pg_namespace AS n
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
  WHERE n.nspname = %(name)s
  UNION
  SELECT d.classid, d.objid
  FROM inside AS i
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = i.classid AND d.refobjid = i.objid AND d.deptype IN ('a', 'i', 'P', 'S')
)
SELECT d.classid::bigint AS class, d.objid::bigint AS object, d.refclassid::bigint AS on_class, d.refobjid::bigint AS on_object,
  d.deptype::text AS kind
FROM inside AS i
JOIN pg_catalog.pg_depend AS d ON d.classid = i.classid AND d.objid = i.objid
ORDER BY d.classid, d.objid, d.refclassid, d.refobjid, d.deptype

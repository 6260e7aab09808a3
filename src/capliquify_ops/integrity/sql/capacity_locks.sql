-- name: capacity_locks
-- needs: nothing
-- since: 14
-- params: schema oid
-- why: to drop a schema at once the server locks each object in it, whatever its kind: one lock for each
WITH RECURSIVE doomed (classid, objid) AS (
  SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, %(schema)s::oid
  UNION
  SELECT d.classid, d.objid
  FROM doomed AS w
  JOIN pg_catalog.pg_depend AS d ON d.refclassid = w.classid AND d.refobjid = w.objid
)
SELECT pg_catalog.count(*)::int AS locks FROM doomed ORDER BY 1

-- name: routine_paths
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text
-- why: routines of one schema that set a search_path of their own
SELECT p.oid::pg_catalog.regprocedure::text AS routine, pg_catalog.substr(s.setting, pg_catalog.length('search_path=') + 1) AS path
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
  AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid
CROSS JOIN LATERAL pg_catalog.unnest(p.proconfig) AS s (setting)
WHERE n.nspname = %(schema)s AND pg_catalog.starts_with(s.setting, 'search_path=')
ORDER BY p.oid

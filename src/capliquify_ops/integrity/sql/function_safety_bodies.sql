-- name: function_safety_bodies
-- needs: nothing beyond CONNECT
-- since: 14
-- params: at_most int
-- why: the texts of PL/pgSQL functions, each once however many schemas hold it, with the names of their parameters
SELECT p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(pg_catalog.min(p.oid::bigint)::oid) || ')' AS object,
  p.prosrc AS body, coalesce(p.proargnames, '{}') AS parameters,
  pg_catalog.array_agg(n.nspname::text ORDER BY n.nspname) AS schemas
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
  -- With such a setting the names of columns and variables may meet.
  AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.unnest(p.proconfig) AS c (setting) WHERE c.setting LIKE 'plpgsql.variable\_conflict=%%'
  )
  AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
  )
GROUP BY p.proname, p.prosrc, p.proargnames, p.proargtypes
ORDER BY 1, 2
LIMIT %(at_most)s

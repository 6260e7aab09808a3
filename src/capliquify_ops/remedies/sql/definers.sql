-- name: definers
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schemas text[]
-- why: how SQL names the functions of some schemas that run with their owner's rights
SELECT n.nspname::text AS schema, p.proname || '(' || a.arguments || ')' AS object,
  pg_catalog.format('%%I.%%I(%%s)', n.nspname, p.proname, a.arguments) AS routine
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND p.prosecdef
CROSS JOIN LATERAL pg_catalog.pg_get_function_identity_arguments(p.oid) AS a (arguments)
WHERE n.nspname::text = ANY (%(schemas)s::text[])
ORDER BY 1, 2, 3

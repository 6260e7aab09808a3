-- name: constraints
-- needs: nothing beyond CONNECT
-- since: 14
-- params: constraints oid[]
-- why: constraints of tables and domains as the server deparses them
SELECT k.oid::bigint AS oid, k.conrelid::bigint AS relation, k.contypid::bigint AS domain, k.conname::text AS name, k.contype::text AS kind,
  pg_catalog.pg_get_constraintdef(k.oid) AS definition, k.conindid::bigint AS index, k.conislocal AS is_local,
  k.connoinherit AS no_inherit, k.convalidated AS is_validated, k.conparentid::bigint AS parent,
  coalesce(k.conkey[1], 0)::int AS first_column
FROM pg_catalog.pg_constraint AS k
WHERE k.oid = ANY (%(constraints)s::oid[])
ORDER BY k.oid

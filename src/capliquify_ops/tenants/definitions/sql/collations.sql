-- name: collations
-- needs: nothing beyond CONNECT
-- since: 14
-- params: collations oid[]
-- why: collations; their columns were renamed and added from 15 to 17, so they are read by name
SELECT c.oid::bigint AS oid, c.collname::text AS name, pg_catalog.pg_get_userbyid(c.collowner)::text AS owner,
  c.collprovider::text AS provider, c.collisdeterministic AS is_deterministic, c.collcollate::text AS lc_collate, c.collctype::text AS lc_ctype,
  coalesce(pg_catalog.to_jsonb(c) ->> 'colllocale', pg_catalog.to_jsonb(c) ->> 'colliculocale') AS locale,
  pg_catalog.to_jsonb(c) ->> 'collicurules' AS rules
FROM pg_catalog.pg_collation AS c
WHERE c.oid = ANY (%(collations)s::oid[])
ORDER BY c.oid

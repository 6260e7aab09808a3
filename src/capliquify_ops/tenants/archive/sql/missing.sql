-- name: missing
-- needs: nothing beyond CONNECT
-- since: 14
-- params: roles text[], features text[], encoding text
-- why: what an archive needs and this database does not have, named for people
SELECT 'role ' || r.name AS missing
FROM pg_catalog.unnest(%(roles)s::text[]) AS r (name)
WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS a WHERE a.rolname = r.name)
UNION ALL
SELECT 'the encoding ' || %(encoding)s::text
WHERE pg_catalog.current_setting('server_encoding') NOT IN ('UTF8', %(encoding)s::text)
UNION ALL
SELECT CASE f.name WHEN 'icu' THEN 'ICU collations (the server was built without ICU)' ELSE f.name || ' compression (the server was built without it)' END
FROM pg_catalog.unnest(%(features)s::text[]) AS f (name)
WHERE CASE f.name
  WHEN 'icu' THEN NOT EXISTS (SELECT 1 FROM pg_catalog.pg_collation AS c WHERE c.collprovider = 'i' AND c.collname LIKE '%%-x-icu')
  ELSE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_settings AS s WHERE s.name = 'default_toast_compression' AND f.name = ANY (s.enumvals)
  ) END
ORDER BY 1

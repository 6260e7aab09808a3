-- name: configurations
-- needs: nothing beyond CONNECT
-- since: 14
-- params: configurations oid[]
-- why: text search configurations with their mappings, "token WITH dictionary, dictionary"
SELECT c.oid::bigint AS oid, c.cfgname::text AS name, pg_catalog.pg_get_userbyid(c.cfgowner)::text AS owner,
  pg_catalog.format('%%I.%%I', n.nspname, p.prsname) AS parser,
  ARRAY(
    SELECT pg_catalog.format('%%I WITH %%s', t.alias, pg_catalog.string_agg(m.mapdict::pg_catalog.regdictionary::text, ', ' ORDER BY m.mapseqno))
    FROM pg_catalog.pg_ts_config_map AS m
    JOIN pg_catalog.ts_token_type(p.oid) AS t ON t.tokid = m.maptokentype
    WHERE m.mapcfg = c.oid
    GROUP BY t.alias, m.maptokentype
    ORDER BY m.maptokentype
  ) AS mappings
FROM pg_catalog.pg_ts_config AS c
JOIN pg_catalog.pg_ts_parser AS p ON p.oid = c.cfgparser
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.prsnamespace
WHERE c.oid = ANY (%(configurations)s::oid[])
ORDER BY c.oid

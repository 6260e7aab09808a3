-- name: cross_tenant_access_changes
-- needs: nothing beyond CONNECT; track_commit_timestamp = on
-- since: 14
-- params: hours float8, at_most int
-- why: when rights were changed lately; the catalogue itself keeps no times, the commits of its rows do
WITH changed AS (
  SELECT 'membership' AS kind, pg_catalog.format('%%I became a member of %%I', m.rolname, r.rolname) AS what,
    pg_catalog.pg_xact_commit_timestamp(a.xmin) AS at
  FROM pg_catalog.pg_auth_members AS a
  JOIN pg_catalog.pg_roles AS r ON r.oid = a.roleid
  JOIN pg_catalog.pg_roles AS m ON m.oid = a.member
  UNION ALL
  SELECT 'setting', pg_catalog.format('settings of role %%s in database %%s', coalesce(r.rolname::text, 'any'), coalesce(d.datname::text, 'any')),
    pg_catalog.pg_xact_commit_timestamp(s.xmin)
  FROM pg_catalog.pg_db_role_setting AS s
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
  LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
  WHERE s.setdatabase IN (0, (SELECT own.oid FROM pg_catalog.pg_database AS own WHERE own.datname = pg_catalog.current_database()))
  UNION ALL
  SELECT 'table', pg_catalog.format('rights or definition of %%I.%%I', n.nspname, c.relname), pg_catalog.pg_xact_commit_timestamp(c.xmin)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  -- The first column was made with the table: a younger row of the table itself was changed since.
  JOIN pg_catalog.pg_attribute AS f ON f.attrelid = c.oid AND f.attnum = 1
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relacl IS NOT NULL AND c.xmin <> f.xmin
)
SELECT x.kind, x.what, extract(epoch FROM pg_catalog.now() - x.at)::float8 AS ago_s
FROM changed AS x
WHERE x.at > pg_catalog.now() - pg_catalog.make_interval(secs => %(hours)s * 3600)
ORDER BY x.at DESC, x.what
LIMIT %(at_most)s

-- name: role_facts
-- needs: nothing beyond CONNECT
-- since: 14
-- params: owner text, app text, observer text, operator text
-- why: an installation must know which roles exist and who is a member of whom, before it changes anything
WITH roles AS (
  SELECT r.oid, r.rolname::text AS name FROM pg_catalog.pg_roles AS r
),
installer AS (
  SELECT r.oid, r.rolsuper, r.rolcreaterole FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user
)
SELECT
  ARRAY(
    SELECT given.name
    FROM pg_catalog.unnest(ARRAY[%(owner)s::text, %(app)s::text, %(observer)s::text, %(operator)s::text])
      WITH ORDINALITY AS given (name, position)
    WHERE NOT EXISTS (SELECT 1 FROM roles WHERE roles.name = given.name)
    ORDER BY given.position
  ) AS missing,
  installer.rolsuper OR installer.rolcreaterole AS may_create_roles,
  installer.rolsuper AS is_superuser,
  coalesce(pg_catalog.pg_has_role(operator.oid, owner.oid, member.kind), false) AS operator_may_become_owner,
  coalesce(pg_catalog.pg_has_role(installer.oid, owner.oid, member.kind), false) AS installer_may_become_owner,
  coalesce(pg_catalog.pg_has_role(observer.oid, 'pg_monitor', 'MEMBER'), false) AS observer_monitors
FROM installer
CROSS JOIN (
  -- From 16 on a member may lack the right to SET ROLE, and only the kind SET tells.
  SELECT CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END AS kind
) AS member
LEFT JOIN roles AS owner ON owner.name = %(owner)s::text
LEFT JOIN roles AS observer ON observer.name = %(observer)s::text
LEFT JOIN roles AS operator ON operator.name = %(operator)s::text

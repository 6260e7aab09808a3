-- name: operators
-- needs: nothing beyond CONNECT
-- since: 14
-- params: operators oid[]
-- why: operators; one without a function is a promise that its commutator or negator makes again
SELECT o.oid::bigint AS oid, o.oprname::text AS name, pg_catalog.pg_get_userbyid(o.oprowner)::text AS owner, o.oprcode::text AS function,
  CASE WHEN o.oprleft <> 0 THEN pg_catalog.format_type(o.oprleft, NULL) END AS left, pg_catalog.format_type(o.oprright, NULL) AS right,
  (SELECT pg_catalog.format('OPERATOR(%%I.%%s)', n.nspname, c.oprname)
    FROM pg_catalog.pg_operator AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.oprnamespace WHERE c.oid = o.oprcom) AS commutator,
  (SELECT pg_catalog.format('OPERATOR(%%I.%%s)', n.nspname, c.oprname)
    FROM pg_catalog.pg_operator AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.oprnamespace WHERE c.oid = o.oprnegate) AS negator,
  o.oprcanmerge AS can_merge, o.oprcanhash AS can_hash, nullif(o.oprrest::text, '-') AS restrict, nullif(o.oprjoin::text, '-') AS join
FROM pg_catalog.pg_operator AS o
WHERE o.oid = ANY (%(operators)s::oid[]) AND o.oprcode <> 0
ORDER BY o.oid

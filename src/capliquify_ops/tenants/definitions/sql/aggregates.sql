-- name: aggregates
-- needs: nothing beyond CONNECT
-- since: 14
-- params: routines oid[]
-- why: aggregates, whose definition the server does not deparse
SELECT p.oid::bigint AS oid, pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
  ARRAY(
    SELECT pg_catalog.format_type(t.oid, NULL) FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY AS t (oid, position) ORDER BY t.position
  ) AS types,
  a.aggkind::text AS kind, p.proparallel::text AS parallel, a.aggtransfn::text AS transition, pg_catalog.format_type(a.aggtranstype, NULL) AS state,
  a.aggtransspace AS space, a.agginitval AS initial, nullif(a.aggfinalfn::text, '-') AS final, a.aggfinalextra AS final_extra,
  a.aggfinalmodify::text AS final_modify, nullif(a.aggcombinefn::text, '-') AS combine, nullif(a.aggserialfn::text, '-') AS serial,
  nullif(a.aggdeserialfn::text, '-') AS deserial, nullif(a.aggmtransfn::text, '-') AS moving_transition,
  nullif(a.aggminvtransfn::text, '-') AS moving_inverse, CASE WHEN a.aggmtranstype <> 0 THEN pg_catalog.format_type(a.aggmtranstype, NULL) END AS moving_state,
  a.aggmtransspace AS moving_space, a.aggminitval AS moving_initial, nullif(a.aggmfinalfn::text, '-') AS moving_final,
  a.aggmfinalextra AS moving_final_extra, a.aggmfinalmodify::text AS moving_final_modify,
  CASE WHEN a.aggsortop <> 0 THEN (
    SELECT pg_catalog.format('OPERATOR(%%I.%%s)', n.nspname, o.oprname)
    FROM pg_catalog.pg_operator AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace WHERE o.oid = a.aggsortop
  ) END AS sort_operator
FROM pg_catalog.pg_aggregate AS a
JOIN pg_catalog.pg_proc AS p ON p.oid = a.aggfnoid
WHERE a.aggfnoid = ANY (%(routines)s::oid[])
ORDER BY p.oid

-- name: sequence_health_keys
-- needs: SELECT on the column, SELECT or USAGE on the sequence
-- since: 14
-- params: none
-- why: the highest key of one table beside the last value of its sequence, which is read after the keys that the statement sees were drawn
SELECT :'number'::bigint AS number, (SELECT pg_catalog.max(k.:"attribute") FROM ONLY :"table_schema".:"relation" AS k)::bigint AS furthest,
  pg_catalog.pg_sequence_last_value(:'oid'::oid::pg_catalog.regclass) AS last_value

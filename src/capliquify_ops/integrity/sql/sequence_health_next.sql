-- name: sequence_health_next
-- needs: SELECT on the column and on the sequence
-- since: 14
-- params: none
-- why: what the next insert will be given, and whether a row has that key already
SELECT :'number'::bigint AS number, (SELECT pg_catalog.max(k.:"attribute") FROM ONLY :"table_schema".:"relation" AS k)::bigint AS furthest,
  n.value AS next_value, EXISTS (SELECT 1 FROM ONLY :"table_schema".:"relation" AS k WHERE k.:"attribute" = n.value) AS is_taken
FROM :"sequence_schema".:"sequence" AS s
CROSS JOIN LATERAL (
  -- At the very end of bigint there is no next value.
  SELECT s.last_value + CASE WHEN s.is_called AND pg_catalog.abs(s.last_value::numeric + :'increment'::numeric) < 9223372036854775807
    THEN :'increment'::bigint ELSE 0 END
) AS n (value)

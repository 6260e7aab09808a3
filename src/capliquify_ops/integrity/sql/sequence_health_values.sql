-- name: sequence_health_values
-- needs: SELECT or USAGE on each sequence
-- since: 14
-- params: sequences oid[]
-- why: the last value that each sequence gave; NULL for one that never gave any
SELECT q.seqrelid::bigint AS oid, pg_catalog.pg_sequence_last_value(q.seqrelid::pg_catalog.regclass) AS last_value
FROM pg_catalog.pg_sequence AS q
WHERE q.seqrelid = ANY (%(sequences)s::oid[])
ORDER BY 1

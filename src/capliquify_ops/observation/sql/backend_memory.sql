-- name: backend_memory
-- needs: pg_read_all_stats; on 14 SELECT on pg_backend_memory_contexts and EXECUTE on its function
-- since: 14
-- params: none
-- why: bytes in use by this session
SELECT pg_catalog.sum(m.used_bytes)::bigint AS used_bytes
FROM pg_catalog.pg_backend_memory_contexts AS m
ORDER BY 1

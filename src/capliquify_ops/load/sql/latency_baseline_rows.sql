-- name: latency_baseline_rows
-- needs: SELECT on the tenant's table
-- since: 14
-- params: at_most int
-- schemas: tenant
-- why: a page of a tenant's rows, as a list of the service reads it
SELECT t.* FROM :"tenant_schema".:"tenant_table" AS t ORDER BY 1 LIMIT %(at_most)s

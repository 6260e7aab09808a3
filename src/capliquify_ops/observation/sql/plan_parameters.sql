-- name: plan_parameters
-- needs: nothing
-- since: 14
-- params: name text
-- why: how many parameters a statement of this session has
SELECT pg_catalog.cardinality(p.parameter_types) AS parameters
FROM pg_catalog.pg_prepared_statements AS p
WHERE p.name = %(name)s
ORDER BY 1

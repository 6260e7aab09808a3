-- name: registry_tenants
-- needs: SELECT on the registry table
-- since: 14
-- params: none
-- schemas: registry
-- why: one row for each tenant, in columns of our names, from a registry whose columns are called otherwise or are not there
SELECT r.:"registry_id" AS id,
  coalesce(r.:"registry_slug"::text, r.:"registry_name"::text, '') AS slug,
  coalesce(r.:"registry_name"::text, '') AS schema_name,
  CASE WHEN :'cancelled_statuses'::pg_catalog.jsonb ? v.status THEN 'cancelled' ELSE v.status END AS subscription_status,
  -- What nobody dates counts as old.
  coalesce(v.created_at, 'epoch'::timestamptz) AS created_at,
  CASE WHEN :'deleted_statuses'::pg_catalog.jsonb ? v.status THEN coalesce(v.deleted_at, 'epoch'::timestamptz) ELSE v.deleted_at END
    AS deleted_at
FROM :"registry_schema".:"registry_table" AS r
CROSS JOIN LATERAL (
  -- In place of a column that is not there stands one that is, behind a condition that the planner decides.
  SELECT coalesce(CASE WHEN :'has_status' THEN r.:"registry_status"::text END, 'registered') AS status,
    CASE WHEN :'has_created_at' THEN r.:"registry_created_at"::text::timestamptz END AS created_at,
    CASE WHEN :'has_deleted_at' THEN r.:"registry_deleted_at"::text::timestamptz END AS deleted_at
) AS v
WHERE NOT (:'shared_schemas'::pg_catalog.jsonb ? coalesce(r.:"registry_name"::text, ''))

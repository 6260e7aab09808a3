-- name: capacity_vacuum
-- needs: nothing
-- since: 14
-- params: none
-- why: how many tables wait for vacuum or analyze by their own thresholds: what the few workers have before them
WITH setting AS MATERIALIZED (
  SELECT
    pg_catalog.current_setting('autovacuum_vacuum_threshold')::float8 AS dead_base,
    pg_catalog.current_setting('autovacuum_vacuum_scale_factor')::float8 AS dead_scale,
    nullif(pg_catalog.current_setting('autovacuum_vacuum_max_threshold', true)::float8, -1) AS dead_most,
    pg_catalog.current_setting('autovacuum_vacuum_insert_threshold')::float8 AS added_base,
    pg_catalog.current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS added_scale,
    pg_catalog.current_setting('autovacuum_analyze_threshold')::float8 AS changed_base,
    pg_catalog.current_setting('autovacuum_analyze_scale_factor')::float8 AS changed_scale
),
counter AS MATERIALIZED (
  SELECT c.oid, greatest(c.reltuples, 0) AS rows, c.reltuples < 0 AS is_new, c.reloptions,
    pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
    pg_catalog.pg_stat_get_ins_since_vacuum(c.oid) AS added,
    pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS changed
  FROM pg_catalog.pg_class AS c
  WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
),
-- Tables with settings of their own are few: only theirs are taken apart.
own AS MATERIALIZED (
  SELECT c.oid,
    coalesce(pg_catalog.bool_and(o.option_value::bool) FILTER (WHERE o.option_name = 'autovacuum_enabled'), true) AS is_on,
    pg_catalog.max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_vacuum_threshold') AS dead_base,
    pg_catalog.max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_vacuum_scale_factor') AS dead_scale,
    pg_catalog.max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_vacuum_max_threshold') AS dead_most,
    pg_catalog.max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_vacuum_insert_threshold') AS added_base,
    pg_catalog.max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_vacuum_insert_scale_factor') AS added_scale,
    pg_catalog.max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_analyze_threshold') AS changed_base,
    pg_catalog.max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_analyze_scale_factor') AS changed_scale
  FROM counter AS c
  CROSS JOIN LATERAL pg_catalog.pg_options_to_table(c.reloptions) AS o
  WHERE c.reloptions IS NOT NULL
  GROUP BY c.oid
),
-- A table without a counter above zero is over no threshold: most of a quiet fleet's are out here.
judged AS (
  SELECT c.is_new,
    c.dead > least(
      coalesce(o.dead_base, s.dead_base) + coalesce(o.dead_scale, s.dead_scale) * c.rows,
      CASE WHEN o.dead_most IS NULL THEN s.dead_most ELSE nullif(o.dead_most, -1) END
    ) OR (
      coalesce(o.added_base, s.added_base) >= 0
      AND c.added > coalesce(o.added_base, s.added_base) + coalesce(o.added_scale, s.added_scale) * c.rows
    ) AS waits_for_vacuum,
    c.changed > coalesce(o.changed_base, s.changed_base) + coalesce(o.changed_scale, s.changed_scale) * c.rows AS waits_for_analyze
  FROM counter AS c
  CROSS JOIN setting AS s
  LEFT JOIN own AS o ON o.oid = c.oid
  WHERE c.dead > 0 OR c.added > 0 OR c.changed > 0
)
SELECT
  (SELECT pg_catalog.count(*) FROM counter)::int AS tables,
  (SELECT pg_catalog.count(*) FROM own AS o WHERE NOT o.is_on)::int AS switched_off,
  pg_catalog.count(*) FILTER (WHERE j.waits_for_vacuum OR j.waits_for_analyze)::int AS waiting,
  pg_catalog.count(*) FILTER (WHERE j.is_new AND j.waits_for_analyze)::int AS never_analysed
FROM judged AS j
ORDER BY 1

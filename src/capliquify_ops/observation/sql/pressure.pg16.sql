-- name: pressure
-- needs: nothing beyond CONNECT
-- since: 16
-- params: none
-- why: how often the server wrote checkpoints before their time, what sessions spilled to disk, and how long they waited for it
SELECT
  b.checkpoints_timed, b.checkpoints_req AS checkpoints_requested,
  d.temp_files, d.temp_bytes, pg_catalog.current_setting('track_io_timing')::bool AS is_timed,
  i.io_ms, i.fsyncs AS io_fsyncs
FROM pg_catalog.pg_stat_database AS d
CROSS JOIN pg_catalog.pg_stat_bgwriter AS b
CROSS JOIN (
  SELECT pg_catalog.sum(coalesce(o.read_time, 0) + coalesce(o.write_time, 0) + coalesce(o.extend_time, 0)
      + coalesce(o.fsync_time, 0))::float8,
    -- A session that syncs a file itself does the checkpointer's work.
    coalesce(pg_catalog.sum(o.fsyncs) FILTER (WHERE o.object = 'relation'), 0)::bigint
  FROM pg_catalog.pg_stat_io AS o
  WHERE o.backend_type = 'client backend'
) AS i (io_ms, fsyncs)
WHERE d.datname = pg_catalog.current_database()
ORDER BY 1

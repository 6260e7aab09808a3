-- name: pressure
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: how often the server wrote checkpoints before their time, what sessions spilled to disk, and how long they waited for it
SELECT
  b.checkpoints_timed, b.checkpoints_req AS checkpoints_requested,
  d.temp_files, d.temp_bytes, pg_catalog.current_setting('track_io_timing')::bool AS is_timed,
  (d.blk_read_time + d.blk_write_time)::float8 AS io_ms, 0::bigint AS io_fsyncs
FROM pg_catalog.pg_stat_database AS d
CROSS JOIN pg_catalog.pg_stat_bgwriter AS b
WHERE d.datname = pg_catalog.current_database()
ORDER BY 1

-- name: latency_baseline_trip
-- needs: nothing
-- since: 14
-- params: none
-- why: what the way to the database and back takes of every statement: this one does nothing there
SELECT 1 AS one
ORDER BY 1

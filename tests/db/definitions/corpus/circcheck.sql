-- schema: "circcheck"
CREATE SCHEMA circcheck; SET search_path = circcheck, public;
CREATE TABLE t (id int); CREATE FUNCTION okrow(t) RETURNS bool LANGUAGE sql IMMUTABLE RETURN ($1).id > 0; ALTER TABLE t ADD CHECK (okrow(t)); INSERT INTO t VALUES (1); CREATE TABLE u (id int PRIMARY KEY, t int); CREATE FUNCTION tabchk(int) RETURNS bool LANGUAGE sql STABLE BEGIN ATOMIC SELECT EXISTS (SELECT FROM circcheck.u WHERE id = $1); END; ALTER TABLE u ADD CHECK (t IS NULL OR tabchk(t)); INSERT INTO u VALUES (1, NULL); INSERT INTO u VALUES (0, 1);

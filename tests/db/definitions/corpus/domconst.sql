-- schema: "domconst"
CREATE SCHEMA domconst; SET search_path = domconst, public;
CREATE DOMAIN d AS int; CREATE TABLE t (a d); CREATE FUNCTION fd(d) RETURNS bool LANGUAGE sql IMMUTABLE AS 'select true'; ALTER DOMAIN d ADD CHECK (fd(VALUE)); CREATE FUNCTION fi(int) RETURNS bool LANGUAGE sql IMMUTABLE RETURN EXISTS (SELECT 1 FROM domconst.t); CREATE DOMAIN d2 AS int CHECK (fi(VALUE)); CREATE TABLE t3 (a d2, b int DEFAULT 3);

-- schema: "typefn"
CREATE SCHEMA typefn; SET search_path = typefn, public;
CREATE TABLE t (a int); CREATE TYPE c AS (x t, y int); CREATE FUNCTION f(c) RETURNS t LANGUAGE sql IMMUTABLE AS 'select ($1).x'; CREATE TABLE u (c c DEFAULT ROW(ROW(1), 2)::c, d t GENERATED ALWAYS AS (f(c)) STORED);INSERT INTO u DEFAULT VALUES;

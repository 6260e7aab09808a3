-- schema: "tabonview"
CREATE SCHEMA tabonview; SET search_path = tabonview, public;
CREATE TABLE t (id int PRIMARY KEY, n text); CREATE VIEW v AS SELECT id, n FROM t; CREATE TABLE w (x v, y v[]); INSERT INTO w VALUES (ROW(1,'a')); CREATE FUNCTION f(v) RETURNS int LANGUAGE sql AS 'select 1';

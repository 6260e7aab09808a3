-- schema: "sqlvaluefn"
CREATE SCHEMA sqlvaluefn; SET search_path = sqlvaluefn, public;
CREATE TABLE t (a text DEFAULT current_user, b text DEFAULT session_user, c date DEFAULT CURRENT_DATE, d text DEFAULT current_schema); CREATE VIEW v AS SELECT CURRENT_TIMESTAMP(2) AS x, current_catalog AS c, COALESCE(NULL, 1) AS y, GREATEST(1, 2) AS z, a IS DISTINCT FROM b AS q, EXTRACT(year FROM c) AS e, SUBSTRING(a FROM 1 FOR 2) AS s, OVERLAY(a PLACING 'x' FROM 1) AS o, POSITION('a' IN a) AS p, TRIM(BOTH 'x' FROM a) AS tr, a COLLATE "C" AS coll, a ~~* 'x%' AS il, a NOT SIMILAR TO 'b' AS si FROM t;

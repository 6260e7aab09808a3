-- schema: "begin"
CREATE SCHEMA "begin"; SET search_path = "begin";
CREATE TYPE "begin" AS ENUM ('begin'); CREATE TABLE t ("begin" "begin", "case" int, "end" int);
CREATE FUNCTION "begin"("begin" "begin") RETURNS "begin" LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION atomic("begin" "begin") RETURNS SETOF "begin" LANGUAGE sql BEGIN ATOMIC SELECT t."begin" AS "begin" FROM t AS "begin", t WHERE t."case" = 1; SELECT "begin"("begin"); END;
CREATE VIEW "case" AS SELECT "begin", CASE WHEN "end" = 1 THEN "case" ELSE 5 END AS "begin2" FROM t;

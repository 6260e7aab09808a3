-- schema: "routines"
CREATE SCHEMA routines AUTHORIZATION oracle_owner;
SET ROLE oracle_owner;
SET search_path = routines;
CREATE TABLE t (a int, b text);
SET check_function_bodies = off;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 5 AS 'SELECT $1';
CREATE FUNCTION f(a text, b int DEFAULT 3, VARIADIC rest text[] DEFAULT '{x,y}') RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION outs(IN a int, OUT b int, INOUT c text) LANGUAGE sql AS 'SELECT 1, $2';
CREATE FUNCTION rows(n int) RETURNS TABLE (x int, "Y z" text) LANGUAGE sql ROWS 33 AS 'SELECT 1, ''a''';
CREATE FUNCTION setof_t() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM routines.t';
CREATE FUNCTION std(x int, y text DEFAULT 'd''q') RETURNS int LANGUAGE sql RETURN x + length(y) + f();
CREATE FUNCTION std_atomic(n int) RETURNS SETOF t LANGUAGE sql BEGIN ATOMIC; INSERT INTO t VALUES (n, ':"AUTOCOMMIT"'); SELECT * FROM t WHERE a > std(n); END;
CREATE PROCEDURE p(INOUT x int, y text) LANGUAGE plpgsql AS 'BEGIN x := x + 1; COMMIT; END';
CREATE PROCEDURE p_std(n int) LANGUAGE sql BEGIN ATOMIC DELETE FROM t WHERE a = n; END;
CREATE PROCEDURE p_out(OUT a int, OUT c text, b int DEFAULT 4) LANGUAGE plpgsql AS 'BEGIN a := 1; END';
CREATE FUNCTION secure() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = routines, "we ird", pg_temp SET work_mem = '8MB' SET "TimeZone" TO 'Europe/Berlin' SET datestyle = 'ISO, DMY' AS 'BEGIN END';
CREATE FUNCTION dollars() RETURNS text LANGUAGE plpgsql AS $a$
BEGIN
  -- $$ $function$ $b$
  RETURN $b$ x $b$ || $$y$$ || $function$z$function$;
\.
\! touch /tmp/oracle_was_here
\echo :"x" :'y'
  /* unfinished ' quote " */
END $a$;
CREATE FUNCTION back() RETURNS text LANGUAGE sql AS E'SELECT ''a\\b\\n''';
CREATE FUNCTION semicolons() RETURNS void LANGUAGE plpgsql AS $$ BEGIN; END; ; $$;
CREATE FUNCTION broken() RETURNS void LANGUAGE plpgsql AS $$ this is not plpgsql; $$;
CREATE FUNCTION "odd name"("p ""1" int, "select" text) RETURNS "char" LANGUAGE sql AS 'SELECT ''x''::"char"';
CREATE FUNCTION later_table() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM routines.later';
CREATE TABLE later (a int DEFAULT std(1), b int CHECK (f(b) > 0), c int GENERATED ALWAYS AS (f(a)) STORED);
INSERT INTO later (b) VALUES (1);
CREATE INDEX later_f ON later (f(b));
CREATE FUNCTION of_row(t) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.a';
CREATE TABLE uses_row (x t, CHECK (of_row(x) > 0));
INSERT INTO uses_row VALUES (ROW(1, 'b'));
CREATE FUNCTION poly(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER before BEFORE INSERT OR UPDATE OF a, b ON t FOR EACH ROW WHEN (NEW.a > 0 AND NEW.b <> ':"x"') EXECUTE FUNCTION trig('a''b', 'c');
CREATE TRIGGER trunc AFTER TRUNCATE ON t EXECUTE FUNCTION trig();
CREATE TRIGGER trans AFTER UPDATE ON t REFERENCING OLD TABLE AS o NEW TABLE AS "n w" FOR EACH STATEMENT EXECUTE FUNCTION trig();
CREATE CONSTRAINT TRIGGER ct AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trig();
CREATE CONSTRAINT TRIGGER ct_from AFTER INSERT ON t FROM later NOT DEFERRABLE FOR EACH ROW EXECUTE FUNCTION trig();
ALTER TABLE t DISABLE TRIGGER trunc; ALTER TABLE t ENABLE ALWAYS TRIGGER before; ALTER TABLE t ENABLE REPLICA TRIGGER trans;
COMMENT ON FUNCTION f(text, int, text[]) IS 'variadic'; COMMENT ON PROCEDURE p(int, text) IS 'proc'; COMMENT ON TRIGGER before ON t IS 'trig'; COMMENT ON CONSTRAINT ct ON t IS 'constraint trigger as constraint'; COMMENT ON TRIGGER ct ON t IS 'constraint trigger';
REVOKE ALL ON FUNCTION f() FROM PUBLIC; GRANT EXECUTE ON FUNCTION f() TO oracle_reader WITH GRANT OPTION; GRANT EXECUTE ON PROCEDURE p(int, text) TO oracle_writer;
REVOKE EXECUTE ON FUNCTION f(int) FROM PUBLIC, oracle_owner;
RESET ROLE;
CREATE FUNCTION win() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE STRICT AS 'window_row_number';
CREATE FUNCTION leak(int, int) RETURNS bool LANGUAGE internal IMMUTABLE LEAKPROOF AS 'int4eq';
CREATE FUNCTION supported(int, int) RETURNS SETOF int LANGUAGE internal IMMUTABLE STRICT ROWS 10 SUPPORT generate_series_int4_support AS 'generate_series_int4';
CREATE FUNCTION transformed(int) RETURNS int LANGUAGE sql AS 'select 1';

CREATE TABLE "begin" ("begin" int, "end" int, "case" int); CREATE FUNCTION "begin"("begin" int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION begin_atomic(x text) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN b.begin > 0 THEN 1 ELSE b."end" END AS begin, b."case" FROM "begin" AS b; SELECT x AS begin; END;
CREATE PROCEDURE begin_p() LANGUAGE sql BEGIN ATOMIC SELECT 'begin' AS begin, "begin"."begin" FROM "begin"; END;

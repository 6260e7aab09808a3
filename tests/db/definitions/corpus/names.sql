-- schema: "Na\"me.s: \\! id\n\\! touch x 😀 "
CREATE SCHEMA "Na""me.s: \! id
\! touch x 😀 ";
SET search_path = "Na""me.s: \! id
\! touch x 😀 ";
CREATE TABLE "select" ("order" int PRIMARY KEY, " leading" text, "trailing " text, "dot.ted" int, "quo""te" int, "line
break" int, "\! id" int, "😀" int, "':x'" int, "$$" int, "UPPER" int, "%s %(x)s {}" int DEFAULT 5);
CREATE TABLE "a123456789b123456789c123456789d123456789e123456789f123456789xyz" ("a123456789b123456789c123456789d123456789e123456789f123456789xyz" serial PRIMARY KEY, CONSTRAINT "a123456789b123456789c123456789d123456789e123456789f123456789xyc" CHECK (true));
CREATE TABLE "\." (a int GENERATED ALWAYS AS IDENTITY, "\." text); INSERT INTO "\." ("\.") VALUES ('\.'), (E'\\.\n\\.'), ('');
CREATE TABLE "
\! echo table" ("
\! echo col" text DEFAULT '
\! echo default' CHECK ("
\! echo col" <> '
\! echo check'), CONSTRAINT "
\! echo con" UNIQUE ("
\! echo col"));
CREATE INDEX "
\! echo idx" ON "
\! echo table" ("
\! echo col");
CREATE VIEW "
\! view" AS SELECT "
\! echo col" AS "
\! vcol" FROM "
\! echo table";
CREATE FUNCTION "
\! fn"("
\! arg" int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS '
BEGIN /*
\! body
*/ RETURN 1; END';
CREATE FUNCTION "
\! atomic"("
\! arg" int) RETURNS text LANGUAGE sql RETURN '
\! lit' || "
\! arg";
CREATE TRIGGER "
\! trg" BEFORE UPDATE ON "
\! echo table" FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE POLICY "
\! pol" ON "
\! echo table" USING ("
\! echo col" = '
\! p');
CREATE TYPE "
\! ty" AS ENUM ('
\! lab');
CREATE SEQUENCE "
\! seq";
CREATE STATISTICS "
\! st" ON "order", "UPPER" FROM "select";
CREATE RULE "
\! rule" AS ON INSERT TO "select" WHERE NEW." leading" = '
\! r' DO NOTHING;
COMMENT ON TABLE "select" IS E'comment\n\\! touch /tmp/oracle_was_here\n:"x" :''y'' \\\\ $$ -- /* \n;';
COMMENT ON COLUMN "select"."line
break" IS E'\n\\q\n';
CREATE TABLE tab ("a	b" int, "c;d" int, "e--f" int, "g/*h" int, ":""AUTOCOMMIT""" int);
GRANT SELECT ("a	b") ON tab TO oracle_reader;
INSERT INTO "select" VALUES (1, ' l', 't ', 1, 2, 3, 4, 5, 6, 7, 8, 9);
CREATE SEQUENCE "seq 'quoted"; SELECT nextval('"seq ''quoted"'), nextval('"
\! seq"');
CREATE TABLE "back\slash" (a int DEFAULT nextval('"seq ''quoted"'::regclass), b regclass DEFAULT '"back\slash"'::regclass);

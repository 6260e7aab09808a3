-- schema: "types"
CREATE SCHEMA types AUTHORIZATION oracle_owner;
SET ROLE oracle_owner;
SET search_path = types;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'ha''ppy', 'ha"ppy', '\! id', 'x
\! id', '');
ALTER TYPE mood ADD VALUE 'between' BEFORE 'ok';
CREATE TYPE no_labels AS ENUM ();
CREATE TYPE comp AS (a int, "B b" mood, c text COLLATE "C", d numeric(5,2)[]);
CREATE TYPE outer_comp AS (x comp, y comp[], z int);
CREATE TYPE empty_comp AS ();
COMMENT ON COLUMN comp.a IS 'attribute'; COMMENT ON TYPE comp IS 'composite'; COMMENT ON TYPE mood IS 'enum';
ALTER TYPE outer_comp DROP ATTRIBUTE z; ALTER TYPE outer_comp ADD ATTRIBUTE w text;
CREATE FUNCTION is_email(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 LIKE ''%@%''';
CREATE DOMAIN email AS text COLLATE "C" DEFAULT 'a@b' NOT NULL CONSTRAINT looks CHECK (types.is_email(VALUE)) CHECK (length(VALUE) > 2);
CREATE DOMAIN nested AS email CHECK (VALUE <> 'x@y');
CREATE DOMAIN moods AS mood[] DEFAULT '{ok}';
CREATE DOMAIN dcomp AS comp CHECK ((VALUE).a > 0);
CREATE DOMAIN varc AS varchar(7);
CREATE TABLE t (m mood DEFAULT 'sad', c comp, e email, n nested, ms moods, o outer_comp, ds nested[], dc dcomp, v varc);
INSERT INTO t (m, c, e, n, ms, o) VALUES ('ha''ppy', ROW(1, 'ok', 'c,")(', '{1.5,NULL}'), 'a@b', 'z@z', '{sad,ok}', ROW(ROW(1, 'x
\! id', E'tab\t', NULL), NULL, 'w'));
ALTER DOMAIN varc ADD CONSTRAINT never CHECK (VALUE <> 'bad') NOT VALID;
COMMENT ON DOMAIN email IS 'domain'; COMMENT ON CONSTRAINT looks ON DOMAIN email IS 'check'; COMMENT ON CONSTRAINT never ON DOMAIN varc IS 'not valid';
CREATE TYPE tr AS RANGE (subtype = text, collation = "C", subtype_opclass = text_pattern_ops);
CREATE FUNCTION diff(x time, y time) RETURNS float8 LANGUAGE sql STRICT IMMUTABLE AS 'SELECT EXTRACT(EPOCH FROM (x - y))';
CREATE TYPE timerange AS RANGE (subtype = time, subtype_diff = diff, multirange_type_name = "Time Multi");
CREATE TYPE domrange AS RANGE (subtype = email);
CREATE TABLE ranges (a tr, b timerange, c "Time Multi", d tr[], EXCLUDE USING gist (b WITH &&));
INSERT INTO ranges VALUES ('[a,b)', '[10:00,11:00)', '{[10:00,11:00),[12:00,13:00)}', '{"[a,b]"}');
COMMENT ON TYPE tr IS 'range'; COMMENT ON TYPE "Time Multi" IS 'multirange';
CREATE COLLATION ccopy FROM "C"; CREATE COLLATION lib (provider = libc, lc_collate = 'C', lc_ctype = 'POSIX');
COMMENT ON COLLATION lib IS 'collation';
CREATE TABLE collated (a text COLLATE lib, b text COLLATE ccopy, c text[] COLLATE lib); CREATE INDEX collated_i ON collated (a COLLATE ccopy);
GRANT USAGE ON TYPE mood TO oracle_reader; REVOKE USAGE ON TYPE email FROM PUBLIC; GRANT USAGE ON DOMAIN email TO oracle_writer WITH GRANT OPTION; REVOKE ALL ON TYPE tr FROM PUBLIC;
REVOKE ALL ON TYPE comp FROM oracle_owner;
CREATE STATISTICS st (ndistinct, dependencies) ON a, b FROM collated; CREATE STATISTICS ste ON (lower(a)), (b || 'x'), c FROM collated; ALTER STATISTICS st SET STATISTICS 33; COMMENT ON STATISTICS st IS 'stats';
CREATE STATISTICS one ON (length(a)) FROM collated;
CREATE TABLE row_of (x t, y t[]); CREATE TABLE mutual_a (id int); CREATE TABLE mutual_b (a mutual_a); ALTER TABLE mutual_a ADD COLUMN n int;
CREATE TABLE enum_part (m mood) PARTITION BY LIST (m); CREATE TABLE enum_part_1 PARTITION OF enum_part FOR VALUES IN ('sad', 'x
\! id');
CREATE TYPE "quoted "".\! type" AS ENUM ('a'); CREATE TABLE uq (a "quoted "".\! type" DEFAULT 'a', b "quoted "".\! type"[]);
RESET ROLE;

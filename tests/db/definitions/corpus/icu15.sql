-- schema: "icu15"
-- only: 15
CREATE SCHEMA icu15 AUTHORIZATION oracle_owner;
SET ROLE oracle_owner;
SET search_path = icu15;
CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION "de DE" (provider = icu, locale = 'de-DE'); CREATE COLLATION from_existing FROM "en-x-icu";
CREATE TABLE t (a text COLLATE ci PRIMARY KEY, b text COLLATE "de DE", c text COLLATE "en-x-icu", d text COMPRESSION lz4);
CREATE DOMAIN d AS text COLLATE ci CHECK (VALUE <> 'X'); CREATE TYPE r AS RANGE (subtype = text, collation = "de DE");
INSERT INTO t VALUES ('Aa', 'ä', 'c', repeat('z', 10000)); CREATE INDEX i ON t (b COLLATE ci);
COMMENT ON COLLATION ci IS 'case-insensitive';
RESET ROLE;

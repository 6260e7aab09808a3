-- schema: "nullable15"
-- only: 15
CREATE SCHEMA nullable15 AUTHORIZATION oracle_owner;
SET ROLE oracle_owner;
SET search_path = nullable15;
-- Up to 17 a child may take NULL where its parents do not.
CREATE TABLE base (id int NOT NULL, a text NOT NULL, b int);
CREATE TABLE kid (own int NOT NULL) INHERITS (base); ALTER TABLE kid ALTER COLUMN a DROP NOT NULL;
CREATE TABLE merged (a text, c int) INHERITS (base); ALTER TABLE merged ALTER COLUMN a DROP NOT NULL;
CREATE TABLE grand () INHERITS (kid); ALTER TABLE grand ALTER COLUMN id DROP NOT NULL, ALTER COLUMN own DROP NOT NULL;
CREATE TABLE stepwise (x int, y int NOT NULL) INHERITS (base); ALTER TABLE base ADD COLUMN late int NOT NULL DEFAULT 1, ADD COLUMN later int;
ALTER TABLE stepwise ALTER COLUMN late DROP NOT NULL, ALTER COLUMN id DROP NOT NULL, ADD COLUMN last int;
CREATE TABLE keyed (id int PRIMARY KEY, v int); CREATE TABLE keyless () INHERITS (keyed); ALTER TABLE keyless ALTER COLUMN id DROP NOT NULL;
INSERT INTO kid (id, a, own) VALUES (1, NULL, 1);
INSERT INTO stepwise (id, a, y, late) VALUES (NULL, 'a', 1, NULL);
INSERT INTO keyless VALUES (NULL, 1);
RESET ROLE;

-- schema: "constraints"
CREATE SCHEMA constraints AUTHORIZATION oracle_owner;
SET ROLE oracle_owner;
SET search_path = constraints;
CREATE TABLE p (a int, b int, c int, d int4range, e text, f int, PRIMARY KEY (a, b) INCLUDE (c), UNIQUE (b) DEFERRABLE, UNIQUE NULLS NOT DISTINCT (c),
  CONSTRAINT ex EXCLUDE USING gist (d WITH &&) WHERE (a > 0) , CONSTRAINT ex_d EXCLUDE USING gist (d WITH -|-) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT "check it" CHECK (e ~ '\d''' AND f IS NOT NULL), CONSTRAINT chk2 CHECK (a + b > c), UNIQUE (e, f) WITH (fillfactor = 61));
CREATE TABLE k (id serial PRIMARY KEY, a int, b int, c int, self int REFERENCES k ON DELETE SET NULL,
  CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES p (a, b) MATCH FULL ON UPDATE CASCADE ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT fk_set FOREIGN KEY (a, b) REFERENCES p ON DELETE SET NULL (a));
ALTER TABLE k ADD CONSTRAINT fk_nv FOREIGN KEY (c) REFERENCES k (id) NOT VALID;
ALTER TABLE k ADD CONSTRAINT c_nv CHECK (c > 0) NOT VALID;
INSERT INTO k (id) VALUES (1);
CREATE TABLE circle_a (id int PRIMARY KEY, b int); CREATE TABLE circle_b (id int PRIMARY KEY, a int REFERENCES circle_a);
ALTER TABLE circle_a ADD FOREIGN KEY (b) REFERENCES circle_b DEFERRABLE;
INSERT INTO circle_a VALUES (1, NULL); INSERT INTO circle_b VALUES (1, 1); UPDATE circle_a SET b = 1;
CREATE TABLE violated (a int); INSERT INTO violated VALUES (-1); ALTER TABLE violated ADD CONSTRAINT positive CHECK (a > 0) NOT VALID;
CREATE TABLE orphan (a int); INSERT INTO orphan VALUES (77); ALTER TABLE orphan ADD FOREIGN KEY (a) REFERENCES circle_a NOT VALID;
CREATE TABLE unique_index (a int, b text); CREATE UNIQUE INDEX ui ON unique_index (a) ; ALTER TABLE unique_index ADD CONSTRAINT ui_key UNIQUE USING INDEX ui;
CREATE TABLE to_unique (a int REFERENCES p (c), x int); CREATE UNIQUE INDEX plain_unique ON to_unique (x); CREATE TABLE to_plain (x int REFERENCES to_unique (x));
CREATE INDEX i1 ON p USING hash (e); CREATE INDEX i2 ON p (lower(e), (a + b) DESC) INCLUDE (f) WHERE e IS NOT NULL; CREATE INDEX i3 ON p USING gin (string_to_array(e, ' ')); CREATE INDEX i4 ON p USING brin (a) WITH (pages_per_range = 4);
CREATE INDEX i5 ON p (e text_pattern_ops, e COLLATE "C"); CREATE INDEX i6 ON p USING spgist (d); CREATE INDEX i7 ON p USING gist (d range_ops) ; CREATE UNIQUE INDEX i8 ON p (f) NULLS NOT DISTINCT;
ALTER INDEX i2 ALTER COLUMN 2 SET STATISTICS 500;
CREATE INDEX i9 ON p USING gin (to_tsvector('english', e)) WITH (fastupdate = off, gin_pending_list_limit = 128);
COMMENT ON CONSTRAINT p_pkey ON p IS 'key'; COMMENT ON CONSTRAINT "check it" ON p IS 'check'; COMMENT ON CONSTRAINT fk ON k IS 'foreign'; COMMENT ON INDEX p_pkey IS 'index of key'; COMMENT ON CONSTRAINT ex ON p IS 'exclusion'; COMMENT ON INDEX i2 IS 'i2'; COMMENT ON CONSTRAINT c_nv ON k IS 'not valid check'; COMMENT ON CONSTRAINT fk_nv ON k IS 'not valid fk';
RESET ROLE;

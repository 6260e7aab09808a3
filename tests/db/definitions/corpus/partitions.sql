-- schema: "partitions"
CREATE SCHEMA partitions AUTHORIZATION oracle_owner;
SET ROLE oracle_owner;
SET search_path = partitions;
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE events (
  id bigint NOT NULL, at date NOT NULL, region text DEFAULT 'eu' NOT NULL, amount numeric(12,2) CHECK (amount > 0), customer int REFERENCES customers,
  note text, PRIMARY KEY (id, at, region)
) PARTITION BY RANGE (at);
ALTER TABLE events ALTER note SET STORAGE EXTERNAL;
COMMENT ON TABLE events IS 'partitioned';
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (region);
CREATE TABLE events_2025_eu PARTITION OF events_2025 FOR VALUES IN ('eu', NULL);
CREATE TABLE events_2025_us PARTITION OF events_2025 (amount DEFAULT 7, note DEFAULT 'us', CONSTRAINT us_only CHECK (region <> 'de')) FOR VALUES IN ('us');
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE UNLOGGED TABLE events_2025_xx PARTITION OF events_2025 DEFAULT WITH (fillfactor = 70);
CREATE INDEX events_customer ON events (customer);
CREATE INDEX events_only ON ONLY events (amount);
CREATE INDEX events_2024_amount ON events_2024 (amount);
ALTER INDEX events_only ATTACH PARTITION events_2024_amount;
ALTER TABLE events ADD CONSTRAINT events_u UNIQUE (at, region, id);
COMMENT ON INDEX events_customer IS 'the parent index';
COMMENT ON INDEX events_2024_customer_idx IS 'a child index';
COMMENT ON CONSTRAINT events_2024_pkey ON events_2024 IS 'a child key';
-- attached later, with columns in another order and a dropped one
CREATE TABLE events_2023 (gone int, region text NOT NULL DEFAULT 'xx', note text, amount numeric(12,2), at date NOT NULL, customer int, id bigint NOT NULL,
  CONSTRAINT events_amount_check CHECK (amount > 0));
ALTER TABLE events_2023 DROP COLUMN gone;
ALTER TABLE events ATTACH PARTITION events_2023 FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE hashed (id int, body text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE UNIQUE INDEX hashed_id ON hashed (id);
ALTER TABLE hashed REPLICA IDENTITY FULL;
CREATE TABLE expr (a int, b text) PARTITION BY RANGE ((a + 1), lower(b) COLLATE "C" text_pattern_ops);
CREATE TABLE expr_1 PARTITION OF expr FOR VALUES FROM (MINVALUE, MINVALUE) TO (10, 'x');
CREATE TABLE empty_parent (a int) PARTITION BY LIST (a);
-- keys to and from partitioned tables
CREATE TABLE referring (id int PRIMARY KEY, event bigint, at date, region text, FOREIGN KEY (event, at, region) REFERENCES events (id, at, region) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE logs (id int, event bigint, at date, region text, customer int, CONSTRAINT logs_customer FOREIGN KEY (customer) REFERENCES customers,
  FOREIGN KEY (event, at, region) REFERENCES events MATCH FULL) PARTITION BY LIST (id);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES IN (1);
CREATE TABLE logs_2 PARTITION OF logs FOR VALUES IN (2) PARTITION BY LIST (customer);
CREATE TABLE logs_2_1 PARTITION OF logs_2 FOR VALUES IN (1);
ALTER TABLE logs_1 ADD CONSTRAINT own_key FOREIGN KEY (id) REFERENCES customers ON UPDATE SET NULL;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t_all AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TRIGGER t_off AFTER UPDATE ON events FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TRIGGER t_copy AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TRIGGER t_stmt AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION touched();
ALTER TABLE events DISABLE TRIGGER t_off;
ALTER TABLE events_2024 DISABLE TRIGGER t_copy;
ALTER TABLE events_2025_us ENABLE ALWAYS TRIGGER t_all;
ALTER TABLE events_2025_eu ENABLE REPLICA TRIGGER t_copy;
ALTER TABLE events_2024 ENABLE TRIGGER t_off;
COMMENT ON TRIGGER t_all ON events IS 'fires everywhere';
CREATE POLICY p ON events USING (region = current_user);
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
CREATE STATISTICS events_stats ON region, at FROM events;
ALTER TABLE events ALTER COLUMN region SET STATISTICS 77;
ALTER TABLE events_2024 ALTER COLUMN region SET STATISTICS 78;
CREATE INDEX with_fill ON events (note) WITH (fillfactor = 80);
GRANT SELECT ON events TO oracle_reader;
GRANT INSERT (id, at) ON events_2024 TO oracle_writer WITH GRANT OPTION;
INSERT INTO customers VALUES (1, 'one'), (2, 'two');
INSERT INTO events SELECT i, '2023-06-01'::date + i * 30, CASE i % 3 WHEN 0 THEN 'eu' WHEN 1 THEN 'us' ELSE 'de' END, i, 1 + i % 2, repeat('n', i)
  FROM generate_series(1, 40) AS i WHERE NOT ('2023-06-01'::date + i * 30 BETWEEN '2025-01-01' AND '2026-01-01' AND i % 3 = 2);
INSERT INTO referring SELECT id, id, at, region FROM events;
INSERT INTO logs VALUES (1, NULL, NULL, NULL, 1), (2, NULL, NULL, NULL, 1);
INSERT INTO hashed SELECT i, 'b' || i FROM generate_series(1, 50) AS i;
RESET ROLE;

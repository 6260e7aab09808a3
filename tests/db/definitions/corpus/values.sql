-- schema: "values"
CREATE SCHEMA "values";
SET search_path = "values";
CREATE TYPE comp AS (a int, b text);
CREATE TABLE texts (id serial PRIMARY KEY, t text);
INSERT INTO texts (t) SELECT chr(i) || 'x' || chr(i) FROM generate_series(1, 300) AS i;
INSERT INTO texts (t) VALUES ('\.'), (E'\n\\.\n'), (E'\\N'), (''), (NULL), ('\N'), (E'a\tb\rc\r\nd'), (E'\\! id'), (':"x" :''y'''), ('😀 é ​'), ('null'), (repeat('long ', 200000)), (E'\u2028\u2029\u0085'), ('COPY x FROM stdin;'), (E';\n\\q\n'), ($$ $a$ $$);
CREATE TABLE numbers (a float4, b float8, c numeric, d numeric(10,3), e int, f bigint, g money, h bit(3), i varbit);
INSERT INTO numbers VALUES ('NaN', 'NaN', 'NaN', 'NaN', 2147483647, 9223372036854775807, '-12.34', '101', '1'), ('Infinity', '-Infinity', 'Infinity', 0.001, -2147483648, -9223372036854775808, '92233720368547758.07', '000', ''),
 ('-0', '4.9e-324', 1e-300, -1.5, 0, 0, 0, '111', '0'), (0.1, 0.1, 12345678901234567890.12345678901234567890, 1, 1, 1, 1, '010', '01'), (1e38, 1.7976931348623157e308, '-Infinity', 1, 1, 1, 1, '010', '01'), (1.17549435e-38, 2.2250738585072014e-308, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE times (a timestamptz, b timestamp, c date, d time, e timetz, f interval);
INSERT INTO times VALUES ('infinity', '-infinity', 'infinity', '24:00', '23:59:59.999999+15:59', '-1 year 2 mons -3 days 04:05:06.789'), ('2024-03-31 02:30 Europe/Berlin', '4713-01-01 BC', '-infinity', '00:00', '00:00-15:59', '178000000 years'), ('294276-12-31 23:59:59.999999 UTC', '294276-12-31', '5874897-12-31', '12:00:00.000001', '12:00+00', '0'), ('0044-03-15 BC', '1500-02-28', '0001-01-01 BC', NULL, NULL, '1 mon -1 day');
SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'; SET extra_float_digits = 0; SET bytea_output = 'escape';
CREATE TABLE others (a bytea, b int[], c text[], d comp, e comp[], f json, g jsonb, h text, i inet, j cidr, k macaddr, l uuid, m tsvector, n tsquery, o point, p box, q circle, r path, s polygon, t int4range, u nummultirange, v pg_lsn, w xid8, x "char", y name, z txid_snapshot);
INSERT INTO others VALUES ('\x00ff0a5c2e', '{{1,2},{3,NULL}}', E'{"a\\"b","c,d",NULL,"NULL","\\\\","{}",""}', ROW(NULL, E'"\\,()\n'), ARRAY[ROW(1, 'x')::comp, NULL], '{"a" :  1, "a": 2}', '{"b": [1, null, "\u00e9"]}', '<a>&amp;<b/>x</a>', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a:1A b''c:2', 'a & !b', '(1,2)', '((0,0),(1,1))', '<(1,2),3>', '[(0,0),(1,1)]', '((0,0),(1,1))', '[1,5)', '{[1.5,2],(3,)}', '0/16B3748', '123', E'\\377', 'nm', '10:20:10,14,15');
INSERT INTO others (a, b, c) VALUES ('', '{}', '[5:6]={x,y}'), (decode(repeat('00ff', 100000), 'hex'), '[0:1]={7,8}', '{}');
INSERT INTO others (h, x) VALUES ('just text, no root', ''), ('<?xml version="1.0"?><r/>', ' ');
CREATE TABLE settings_in_text (a text DEFAULT '1/2/2024', b date DEFAULT '2024-02-01', c timestamptz DEFAULT '2024-02-01 10:00', d interval DEFAULT 'P1D', e float8 DEFAULT 0.1, f bytea DEFAULT '\x00ff', CHECK (b > '1999-12-31'), CHECK (d > '1 mon'::interval));
CREATE TABLE timed (at timestamptz) PARTITION BY RANGE (at); CREATE TABLE timed_1 PARTITION OF timed FOR VALUES FROM ('2024-01-01 00:00') TO ('2025-01-01 00:00+02'); CREATE TABLE f8 (a float8) PARTITION BY RANGE (a); CREATE TABLE f8_1 PARTITION OF f8 FOR VALUES FROM (0.1) TO ('infinity');
CREATE VIEW dated AS SELECT '2024-02-01'::date AS d, '1 day'::interval AS i, now() > '2024-02-01 10:00'::timestamptz AS x, 0.1::float8 AS f;
CREATE VIEW "from values" AS SELECT * FROM texts;

-- Every row of the tenants' tables and of the shared ones: kept when a test begins, put back when it ends. For a superuser's session.
-- Sessions that were signed out stay so: worlds keep their tokens.
CREATE TEMP TABLE kept_tables (name oid PRIMARY KEY);
CREATE TEMP TABLE kept_rows (name oid NOT NULL, content text NOT NULL);
CREATE INDEX ON kept_rows (name);

CREATE FUNCTION pg_temp.keep() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_table regclass;
BEGIN
  DELETE FROM pg_temp.kept_tables;
  DELETE FROM pg_temp.kept_rows;
  FOR v_table IN
    SELECT c.oid
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relname <> 'signed_out_sessions' AND (n.nspname IN ('public', 'reference_service') OR n.nspname IN (SELECT t.schema_name FROM public.tenants AS t))
  LOOP
    INSERT INTO pg_temp.kept_tables VALUES (v_table);
    EXECUTE format('INSERT INTO pg_temp.kept_rows SELECT %s, r::text FROM %s AS r', v_table::oid, v_table);
  END LOOP;
END $$;

-- Rows made or changed since are deleted, rows deleted or changed since are made again. No trigger runs and no row is followed:
-- every table is put back by itself.
CREATE FUNCTION pg_temp.put_back() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_table regclass;
  v_columns text;
BEGIN
  PERFORM set_config('session_replication_role', 'replica', true);
  FOR v_table, v_columns IN
    SELECT k.name, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_temp.kept_tables AS k
    JOIN pg_attribute AS a ON a.attrelid = k.name AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    GROUP BY k.name
  LOOP
    EXECUTE format(
      'DELETE FROM %1$s AS r WHERE r::text NOT IN (SELECT k.content FROM pg_temp.kept_rows AS k WHERE k.name = %2$s)',
      v_table, v_table::oid);
    EXECUTE format(
      'INSERT INTO %1$s (%3$s) OVERRIDING SYSTEM VALUE SELECT %3$s FROM ('
      'SELECT (k.content::%1$s).* FROM pg_temp.kept_rows AS k'
      ' WHERE k.name = %2$s AND k.content NOT IN (SELECT r::text FROM %1$s AS r)) AS missing',
      v_table, v_table::oid, v_columns);
  END LOOP;
END $$;

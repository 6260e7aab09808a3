"""Schemas at random: statements that depend on each other. Some of them are nonsense; whoever runs them leaves those out."""

from dataclasses import dataclass, field

from capliquify_ops.database.identifiers import literal, quoted

PIECES = ["a", "b", "Total", "select", "begin", "end", "case", "user", " ", ".", "'", '"', "\\", "\n", "\\! touch MARKER\n", ":x", ':"AUTOCOMMIT"', ":'x'", "$$", "$a$", ";", "--", "/*", "*/", "é", "😀", "%s", "{}", "\t", "=x/y", ",", "(", ")", "\\.\n", "\r", "E'"]  # fmt: skip
BUILT_IN = ["int", "bigint", "smallint", "text", "varchar(20)", "char(3)", "numeric(12,3)", "float8", "bool", "date", "timestamptz", "interval", "uuid", "jsonb", "bytea", "int4range", "text[]", "int[]", "name", "inet", "bit(3)", "oid", '"char"', "tstzrange", "tsvector", "point"]  # fmt: skip
VALUES = ["NULL", "'1'", "'{}'", "'2024-02-29'", "'a'", "'[1,3)'", "'true'", "'NaN'", "'infinity'", r"'\.'", r"E'\t\n\\\\!'", "'{1,2}'", "'0'", "'x,\"y'", "'{\"a\": [1]}'", "'10:20'"]  # fmt: skip
ROLES = ["oracle_owner", "oracle_reader", "oracle_writer", 'Oracle "odd" rôle, x=y/z']
TEXTS = [
    "x",
    "it's",
    "\\! touch MARKER\n",
    "\n\\q\n",
    ":\"x\" :'y'",
    "$$;$$",
    "a\\",
    "-- no\n/* */",
    "é😀",
    "%s %(x)s",
    ";\n\\. \n",
]


@dataclass
class Table:
    name: str
    kind: str
    columns: list = field(default_factory=list)
    key: str | None = None
    how: str = "LIST"
    parts: int = 0


class Maker:
    """Makes the statements of one schema from a source of randomness."""

    def __init__(self, random, major, schema=None):
        self.random, self.major = random, major
        self.schema = schema or self.name("s")
        self.tables, self.types, self.functions, self.statements, self.number = [], [], [], [], 0

    def name(self, prefix=""):
        self.number = getattr(self, "number", 0) + 1
        plain = self.random.random() < 0.4
        odd = "" if plain else "".join(self.random.choice(PIECES) for _ in range(self.random.randint(1, 4)))
        return (
            f"{prefix}{odd}{self.number}"[:40] if plain or self.random.random() < 0.9 else f"{odd or 'begin'}{self.number}"[:40]
        )

    def q(self, name):
        return quoted(self.schema, name)

    def some(self, choices):
        return self.random.choice(list(choices))

    def chance(self, share):
        return self.random.random() < share

    def say(self, text):
        self.statements.append(text)

    def type(self):
        return self.some([*BUILT_IN, *self.types, *self.types, *self.types]) if self.types else self.some(BUILT_IN)

    def table(self, kinds="rp"):
        found = [each for each in self.tables if each.kind in kinds]
        return self.some(found) if found else None

    def make(self, size):
        self.say(f"CREATE SCHEMA {quoted(self.schema)}")
        if self.chance(0.5):
            self.say(f"ALTER SCHEMA {quoted(self.schema)} OWNER TO oracle_owner")
        early = [self.enum, self.composite, self.domain, self.function, self.sequence, self.range]
        for _ in range(size // 5 + 1):
            self.some(early)()
        for _ in range(size // 5 + 2):
            self.some([self.plain, self.plain, self.partitioned, self.partition, self.child])()
        work = [self.alter, self.alter, self.alter, self.index, self.view, self.matview, self.trigger, self.policy, self.rule, self.statistics, self.comment, self.comment, self.grant, self.grant, self.default_rights, self.foreign_key, self.constraint, self.constraint, self.partition, self.child, self.atomic, self.plain, self.rows, self.rows, self.rename, self.owner, self.aggregate, *early]  # fmt: skip
        for _ in range(size):
            self.some(work)()
        for _ in range(3):
            self.rows()
        return self.statements

    # Types and routines

    def enum(self):
        name = self.q(self.name("enum"))
        labels = {self.name() for _ in range(self.random.randint(0, 4))}
        self.say(f"CREATE TYPE {name} AS ENUM ({', '.join(map(literal, sorted(labels)))})")
        self.types.append(name)

    def composite(self):
        name = self.q(self.name("comp"))
        columns = ", ".join(f"{quoted(self.name('f'))} {self.type()}" for _ in range(self.random.randint(0, 3)))
        self.say(f"CREATE TYPE {name} AS ({columns})")
        self.types += [name, f"{name}[]"]

    def domain(self):
        name, base = self.q(self.name("dom")), self.type()
        default = f" DEFAULT {self.some(VALUES)}" if self.chance(0.3) else ""
        check = (
            f" CONSTRAINT {quoted(self.name('c'))} CHECK (VALUE IS NOT NULL OR {literal(self.some(TEXTS))} <> '')"
            if self.chance(0.6)
            else ""
        )
        self.say(f"CREATE DOMAIN {name} AS {base}{default}{check}")
        if self.chance(0.3):
            self.say(f"ALTER DOMAIN {name} ADD CHECK (VALUE IS NULL OR true) NOT VALID")
        self.types.append(name)

    def range(self):
        name = self.q(self.name("range"))
        self.say(f"CREATE TYPE {name} AS RANGE (SUBTYPE = {self.some(['int', 'text', 'date', 'float8', *self.types])})")
        self.types.append(name)

    def function(self):
        name, argument, type_ = self.q(self.name("f")), quoted(self.name("arg")), self.type()
        body = self.some(
            [f"SELECT true /* {self.some(TEXTS)} */", "SELECT 1 = 1 -- x\n", f"SELECT {literal(self.some(TEXTS))} IS NOT NULL"]
        ).replace("*/ */", "*/")
        options = self.some(
            [
                "",
                " STRICT",
                " SECURITY DEFINER",
                " PARALLEL SAFE",
                " COST 7",
                ' SET search_path = pg_catalog, "a b"',
                " SET work_mem = '1MB'",
            ]
        )
        self.say(
            f"CREATE FUNCTION {name}({argument} {type_}{' DEFAULT NULL' if self.chance(0.4) else ''}) RETURNS bool LANGUAGE sql IMMUTABLE{options} AS {literal(body)}"
        )
        self.functions.append((name, type_))

    def atomic(self):
        if table := self.table("rpvm"):
            column = quoted(self.some(table.columns)[0]) if table.columns else "1"
            name = self.q(self.name("atomic"))
            self.say(
                f"CREATE FUNCTION {name}(n int DEFAULT 1) RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC"
                f' SELECT CASE WHEN n > 0 THEN 1 ELSE 2 END AS "begin"; SELECT count({column}) AS {quoted(self.name("x"))} FROM {self.q(table.name)}; END'
            )
            if self.chance(0.3) and (other := self.table("r")):
                self.say(f"ALTER TABLE {self.q(other.name)} ADD COLUMN {quoted(self.name('d'))} bigint DEFAULT {name}()")

    def aggregate(self):
        self.say(f"CREATE AGGREGATE {self.q(self.name('agg'))}(int) (sfunc = int4pl, stype = int, initcond = '0')")

    def sequence(self):
        name = self.q(self.name("seq"))
        self.say(
            f"CREATE SEQUENCE {name} AS {self.some(['int', 'bigint', 'smallint'])} INCREMENT {self.some([1, 2, -1])}{self.some(['', ' CYCLE', ' CACHE 5'])}"
        )
        if self.chance(0.7):
            self.say(f"SELECT nextval({literal(name)})")
        if self.chance(0.4) and (table := self.table("r")) and table.columns:
            column = quoted(self.some(table.columns)[0])
            self.say(f"ALTER SEQUENCE {name} OWNED BY {self.q(table.name)}.{column}")
            self.say(f"ALTER TABLE {self.q(table.name)} ALTER {column} SET DEFAULT nextval({literal(name)})")

    # Tables

    def column(self, name, type_):
        parts = [quoted(name), type_]
        if self.chance(0.3):
            parts.append(f"DEFAULT {self.some(VALUES)}")
        if self.chance(0.15):
            parts.append(f"CONSTRAINT {quoted(self.name('nn'))} NOT NULL" if self.chance(0.5) else "NOT NULL")
        if self.chance(0.1) and type_.startswith(("text", "varchar")):
            parts.insert(2, 'COLLATE "C"')
        return " ".join(parts)

    def columns(self, least=0):
        found = [(self.name("c"), self.type()) for _ in range(self.random.randint(least, 5))]
        texts = [self.column(name, type_) for name, type_ in found]
        if self.chance(0.2):
            found.append((self.name("id"), "int"))
            kind = self.some(["ALWAYS", "BY DEFAULT"])
            texts.append(f"{quoted(found[-1][0])} int GENERATED {kind} AS IDENTITY{self.some(['', ' (START 7 INCREMENT 3)'])}")
        if self.chance(0.2):
            base = self.name("g")
            texts.append(f"{quoted(base)} int")
            found += [(base, "int"), (self.name("gen"), "int")]
            stored = "STORED" if self.major < 18 or self.chance(0.5) else "VIRTUAL"
            texts.append(f"{quoted(found[-1][0])} int GENERATED ALWAYS AS ({quoted(base)} * 2) {stored}")
        return found, texts

    def plain(self):
        name = self.name("t")
        found, texts = self.columns()
        key = None
        if self.chance(0.6):
            key = self.name("id")
            found.append((key, "int"))
            texts.append(
                f"{quoted(key)} {self.some(['serial', 'int', 'int GENERATED ALWAYS AS IDENTITY'])} PRIMARY KEY{self.some(['', ' DEFERRABLE'])}"
            )
        unlogged = "UNLOGGED " if self.chance(0.1) else ""
        options = self.some(
            ["", "", " WITH (fillfactor = 70)", " WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)"]
        )
        self.say(f"CREATE {unlogged}TABLE {self.q(name)} ({', '.join(texts)}){options}")
        self.tables.append(Table(name, "r", found, key))
        self.types.append(self.q(name)) if self.chance(0.2) else None

    def partitioned(self):
        name, key = self.name("p"), self.name("k")
        found, texts = self.columns()
        how = self.some(["LIST", "RANGE", "HASH"])
        primary = f", PRIMARY KEY ({quoted(key)})" if self.chance(0.4) else ""
        self.say(
            f"CREATE TABLE {self.q(name)} ({', '.join([f'{quoted(key)} int', *texts])}{primary}) PARTITION BY {how} ({quoted(key)})"
        )
        self.tables.append(Table(name, "p", [(key, "int"), *found], key if primary else None))
        self.tables[-1].how = how
        for _ in range(self.random.randint(0, 3)):
            self.partition(self.tables[-1])

    def partition(self, parent=None):
        parent = parent or self.table("p")
        if parent is None:
            return
        name, n = self.name("part"), parent.parts
        parent.parts += 1
        bound = {
            "LIST": f"IN ({n * 2}, {n * 2 + 1})",
            "RANGE": f"FROM ({n * 10}) TO ({n * 10 + 10})",
            "HASH": f"WITH (MODULUS 4, REMAINDER {n})",
        }[parent.how]
        bound = "DEFAULT" if n == 3 and parent.how != "HASH" else f"FOR VALUES {bound}"
        if self.chance(0.4):
            shuffled = self.random.sample(parent.columns, len(parent.columns))
            self.say(
                f"CREATE TABLE {self.q(name)} (LIKE {self.q(parent.name)} INCLUDING ALL)"
                if self.chance(0.5)
                else f"CREATE TABLE {self.q(name)} ({', '.join(f'{quoted(c)} {t}' for c, t in shuffled)})"
            )
            self.say(f"ALTER TABLE {self.q(parent.name)} ATTACH PARTITION {self.q(name)} {bound}")
        else:
            own = f" ({quoted(parent.columns[-1][0])} DEFAULT NULL)" if self.chance(0.2) else ""
            deeper = f" PARTITION BY LIST ({quoted(parent.columns[0][0])})" if self.chance(0.15) else ""
            self.say(f"CREATE TABLE {self.q(name)} PARTITION OF {self.q(parent.name)}{own} {bound}{deeper}")
        self.tables.append(Table(name, "c", list(parent.columns)))

    def child(self):
        parents = {self.table("r").name: None for _ in range(self.random.randint(1, 2))} if self.table("r") else {}
        if not parents:
            return
        name = self.name("kid")
        found, texts = self.columns()
        above = [each for each in self.tables if each.name in parents]
        if self.chance(0.3) and above[0].columns:
            column = self.some(above[0].columns)
            texts.insert(0, self.column(*column))
        self.say(f"CREATE TABLE {self.q(name)} ({', '.join(texts)}) INHERITS ({', '.join(self.q(each) for each in parents)})")
        self.tables.append(Table(name, "r", [*found, *(column for each in above for column in each.columns)]))

    def alter(self):
        table = self.table("rpc")
        if table is None or not table.columns:
            return
        column = quoted(self.some(table.columns)[0])
        new, type_ = self.name("n"), self.type()
        ways = [
            f"ADD COLUMN {self.column(new, type_)}", f"ADD COLUMN {self.column(new, type_)}", f"DROP COLUMN {column}", f"DROP COLUMN {column} CASCADE",
            f"ALTER {column} SET DEFAULT {self.some(VALUES)}", f"ALTER {column} DROP DEFAULT", f"ALTER {column} SET NOT NULL", f"ALTER {column} DROP NOT NULL",
            f"ALTER {column} SET STATISTICS {self.random.randint(0, 99)}", f"ALTER {column} SET STORAGE {self.some(['PLAIN', 'EXTERNAL', 'MAIN'])}",
            f"ALTER {column} SET (n_distinct = 5)", f"ALTER {column} SET COMPRESSION pglz", f"ALTER {column} TYPE text", "SET (fillfactor = 33)", "ENABLE ROW LEVEL SECURITY",
            "FORCE ROW LEVEL SECURITY", f"REPLICA IDENTITY {self.some(['FULL', 'NOTHING'])}", "DISABLE TRIGGER USER", "SET LOGGED",
            f"INHERIT {self.q(self.table('r').name) if self.table('r') else column}", f"RENAME COLUMN {column} TO {quoted(new)}",
        ]  # fmt: skip
        only = "ONLY " if self.chance(0.25) else ""
        way = self.some(ways)
        self.say(f"ALTER TABLE {only}{self.q(table.name)} {way}")
        if way.startswith("ADD"):
            table.columns.append((new, type_))

    def constraint(self):
        table = self.table("rpc")
        if table is None or not table.columns:
            return
        column, type_ = self.some(table.columns)
        name = quoted(self.name("con"))
        checks = [f"{quoted(column)} IS NOT NULL OR {literal(self.some(TEXTS))} <> 'x'", "true"]
        fitting = [function for function, accepts in self.functions if accepts == type_]
        checks += [f"{function}({quoted(column)})" for function in fitting]
        tail = self.some(["", "", " NOT VALID", " NO INHERIT", *([" NOT ENFORCED"] if self.major >= 18 else [])])
        ways = [f"CHECK ({self.some(checks)}){tail}", f"CHECK ({self.some(checks)}){tail}", f"UNIQUE ({quoted(column)}){self.some(['', ' DEFERRABLE INITIALLY DEFERRED', ' WITH (fillfactor = 50)'])}", f"UNIQUE NULLS NOT DISTINCT ({quoted(column)})", f"EXCLUDE USING btree ({quoted(column)} WITH =)", f"PRIMARY KEY ({quoted(column)})"]  # fmt: skip
        ways += [f"NOT NULL {quoted(column)}{self.some(['', ' NOT VALID', ' NO INHERIT'])}"] * 2 if self.major >= 18 else []
        self.say(f"ALTER TABLE {self.q(table.name)} ADD CONSTRAINT {name} {self.some(ways)}")

    def foreign_key(self):
        table, other = self.table("rpc"), self.table("rp")
        if table is None or other is None or other.key is None or not table.columns:
            return
        column = self.name("fk")
        self.say(f"ALTER TABLE {self.q(table.name)} ADD COLUMN {quoted(column)} int")
        action = self.some(
            [
                "",
                " ON DELETE CASCADE",
                " ON UPDATE SET NULL",
                " DEFERRABLE INITIALLY DEFERRED",
                " NOT VALID",
                *([" NOT ENFORCED"] if self.major >= 18 else []),
            ]
        )
        self.say(
            f"ALTER TABLE {self.q(table.name)} ADD CONSTRAINT {quoted(self.name('fk'))} FOREIGN KEY ({quoted(column)}) REFERENCES {self.q(other.name)}{action}"
        )
        table.columns.append((column, "int"))

    # What hangs on tables

    def index(self):
        table = self.table("rpcm")
        if table is None or not table.columns:
            return
        column, name = quoted(self.some(table.columns)[0]), self.name("i")
        how = self.some(
            [
                f"({column})",
                f"USING hash ({column})",
                f"({column} DESC NULLS LAST)",
                f"(({column} IS NULL))",
                f"({column}) WHERE {column} IS NOT NULL",
                f"USING gin ({column})",
                f"USING brin ({column})",
                f"(lower({column}::text))",
                f"({column}) WITH (fillfactor = 44)",
            ]
        )
        self.say(
            f"CREATE {'UNIQUE ' if self.chance(0.2) else ''}INDEX {quoted(name)} ON {'ONLY ' if self.chance(0.1) else ''}{self.q(table.name)} {how}"
        )
        after = [f"CLUSTER ON {quoted(name)}", f"REPLICA IDENTITY USING INDEX {quoted(name)}"]
        if self.chance(0.2):
            self.say(f"ALTER TABLE {self.q(table.name)} {self.some(after)}")
        if self.chance(0.2):
            self.say(f"ALTER INDEX {self.q(name)} ALTER COLUMN 1 SET STATISTICS 55")
        if self.chance(0.3):
            self.say(f"COMMENT ON INDEX {self.q(name)} IS {literal(self.some(TEXTS))}")

    def view(self, word="VIEW", tail=""):
        # A materialised view on a view may have lost the rights that filled it: then nobody can fill it again, pg_dump neither.
        table = self.table("rpcvm" if word == "VIEW" else "rpcm")
        if table is None or not table.columns:
            return
        name = self.name("v")
        column = quoted(self.some(table.columns)[0])
        alias = self.name("col")
        what = self.some(
            [
                "*",
                f"t AS {quoted(alias)}",
                f"{column}",
                f"{column} AS {quoted(alias)}, {literal(self.some(TEXTS))} AS b",
                f"count({column}) AS {quoted(alias)}",
                f"(ARRAY[1,2])[1: length({column}::text)] AS {quoted(alias)}",
            ]
        )
        text = f"SELECT {what} FROM {self.q(table.name)} AS t"
        if table.key and self.chance(0.4):
            text = f"SELECT t.*, count(*) AS {quoted(alias)} FROM {self.q(table.name)} AS t GROUP BY {quoted(table.key)}"
        options = self.some(["", "", " WITH (security_barrier)"]) if word == "VIEW" else ""
        self.say(f"CREATE {word} {self.q(name)}{options} AS {text}{tail}")
        columns = [(alias, "text")] if "*" not in what else list(table.columns)
        self.tables.append(Table(name, "v" if word == "VIEW" else "m", columns))
        if word == "VIEW" and self.chance(0.2):
            self.say(f"ALTER VIEW {self.q(name)} ALTER {quoted(columns[0][0])} SET DEFAULT NULL")

    def matview(self):
        self.view("MATERIALIZED VIEW", self.some(["", "", " WITH NO DATA"]))

    def trigger(self):
        if table := self.table("rpcv"):
            name = quoted(self.name("trg"))
            when = self.some(["BEFORE UPDATE", "AFTER INSERT OR DELETE", "AFTER UPDATE", "INSTEAD OF INSERT"])
            self.say(
                f"CREATE TRIGGER {name} {when} ON {self.q(table.name)} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger({literal(self.some(TEXTS))})"
            )
            child = self.table("c") if self.chance(0.3) else None
            target = child or table
            if self.chance(0.4):
                self.say(
                    f"ALTER TABLE {self.q(target.name)} {self.some(['DISABLE', 'ENABLE ALWAYS', 'ENABLE REPLICA', 'ENABLE'])} TRIGGER {name}"
                )
            if self.chance(0.3):
                self.say(f"COMMENT ON TRIGGER {name} ON {self.q(table.name)} IS {literal(self.some(TEXTS))}")

    def policy(self):
        if table := self.table("rpc"):
            who = self.some(
                ["", f" TO {quoted(self.some(ROLES))}", f" FOR SELECT TO {quoted(self.some(ROLES))}, {quoted(self.some(ROLES))}"]
            )
            self.say(
                f"CREATE POLICY {quoted(self.name('pol'))} ON {self.q(table.name)}{self.some(['', ' AS RESTRICTIVE'])}{who} USING ({literal(self.some(TEXTS))} <> current_user)"
            )

    def rule(self):
        if table := self.table("rpcv"):
            self.say(
                f"CREATE RULE {quoted(self.name('rule'))} AS ON {self.some(['UPDATE', 'INSERT', 'DELETE'])} TO {self.q(table.name)} DO {self.some(['ALSO', 'INSTEAD'])} {self.some(['NOTHING', 'SELECT 1', 'NOTIFY x', '(SELECT 1; SELECT 2)'])}"
            )

    def statistics(self):
        table = self.table("rpc")
        if table and len(table.columns) > 1:
            one, other = (quoted(column) for column, _ in self.random.sample(table.columns, 2))
            self.say(
                f"CREATE STATISTICS {self.q(self.name('st'))} ON {one}, {self.some([other, f'({other} IS NULL)'])} FROM {self.q(table.name)}"
            )

    def comment(self):
        text = literal(self.some(TEXTS))
        table = self.table("rpcvm")
        if table and self.chance(0.7):
            word = {"v": "VIEW", "m": "MATERIALIZED VIEW"}.get(table.kind, "TABLE")
            self.say(f"COMMENT ON {word} {self.q(table.name)} IS {text}")
            if table.columns:
                self.say(f"COMMENT ON COLUMN {self.q(table.name)}.{quoted(self.some(table.columns)[0])} IS {text}")
        elif self.types:
            self.say(f"COMMENT ON TYPE {self.some(self.types)} IS {text}")
        if self.functions and self.chance(0.3):
            name, type_ = self.some(self.functions)
            self.say(f"COMMENT ON FUNCTION {name}({type_}) IS {text}")

    def grant(self):
        role = self.some([*map(quoted, ROLES), "PUBLIC"])
        option = " WITH GRANT OPTION" if role != "PUBLIC" and self.chance(0.2) else ""
        table = self.table("rpcvm")
        ways = [f"GRANT USAGE ON SCHEMA {quoted(self.schema)} TO {role}{option}"]
        if table:
            ways += [
                f"GRANT {self.some(['SELECT', 'INSERT, UPDATE', 'ALL', 'TRUNCATE'])} ON {self.q(table.name)} TO {role}{option}"
            ] * 3
            ways += [f"REVOKE {self.some(['ALL', 'DELETE'])} ON {self.q(table.name)} FROM {self.some(['CURRENT_USER', role])}"]
        if table and table.columns:
            ways += [
                f"GRANT {self.some(['SELECT', 'UPDATE'])} ({quoted(self.some(table.columns)[0])}) ON {self.q(table.name)} TO {role}{option}"
            ] * 2
        if self.functions:
            name, type_ = self.some(self.functions)
            ways += [
                f"GRANT EXECUTE ON FUNCTION {name}({type_}) TO {role}{option}",
                f"REVOKE ALL ON FUNCTION {name}({type_}) FROM PUBLIC",
            ]
        if self.types:
            ways += [
                f"GRANT USAGE ON TYPE {self.some(self.types)} TO {role}",
                f"REVOKE USAGE ON TYPE {self.some(self.types)} FROM PUBLIC",
            ]
        self.say(self.some(ways))

    def default_rights(self):
        what = self.some(["SELECT ON TABLES", "USAGE ON SEQUENCES", "EXECUTE ON FUNCTIONS", "USAGE ON TYPES", "ALL ON TABLES"])
        self.say(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(self.schema)} GRANT {what} TO {quoted(self.some(ROLES))}")

    def rename(self):
        table = self.table("rpcvm")
        if table and self.chance(0.5):
            new = self.name("t")
            word = {"v": "VIEW", "m": "MATERIALIZED VIEW"}.get(table.kind, "TABLE")
            self.say(f"ALTER {word} {self.q(table.name)} RENAME TO {quoted(new)}")
            table.name = new

    def owner(self):
        if table := self.table("rpcv"):
            word = "VIEW" if table.kind == "v" else "TABLE"
            self.say(f"ALTER {word} {self.q(table.name)} OWNER TO {quoted(self.some(ROLES))}")

    def rows(self):
        if table := self.table("rpc"):
            if self.chance(0.3) or not table.columns:
                self.say(f"INSERT INTO {self.q(table.name)} DEFAULT VALUES")
                return
            chosen = self.random.sample(table.columns, self.random.randint(1, min(3, len(table.columns))))
            values = ", ".join(f"({', '.join(self.some(VALUES) for _ in chosen)})" for _ in range(self.random.randint(1, 2)))
            self.say(f"INSERT INTO {self.q(table.name)} ({', '.join(quoted(name) for name, _ in chosen)}) VALUES {values}")


def statements(random, major, size=40, schema=None):
    """Return the schema's name and its statements."""
    maker = Maker(random, major, schema)
    return maker.schema, maker.make(size)

"""A stock service as a small team would write it: Flask, psycopg's pool, one schema per tenant. It shares no code with anything.

`python service.py SETTINGS.json` prints its port and serves until its standard input closes. `defects` in the settings are names
of DEFECTS; each is one line. `ways` say what chooses the workspace (HEADER, HOST,
PATH) and how bodies are written: XML or CSV for answers, FORM for requests, else JSON.
"""

import csv
import io
import json
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from xml.sax.saxutils import escape

import jwt
import psycopg
from flask import Flask, g, jsonify, request
from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

DEFECTS = ("HEADER_WINS", "SESSION_PATH", "CARD_CACHE_BY_ID", "CURRENT_WORKSPACE_IS_GLOBAL", "ME_TAKES_ALL", "HOST_WINS")
CHOOSE = ("HEADER", "HOST", "PATH")
WAYS = (*CHOOSE, "XML", "CSV", "FORM")
SUFFIX = ".stock.example.com"
RANKS = {"viewer": 0, "member": 1, "admin": 2, "owner": 3}
ARTICLE = "id::text, sku, name, description, unit_price::float8 AS price"
CARD_LIFE_S = 30

settings = json.loads(Path(sys.argv[1]).read_text())
defects = frozenset(settings["defects"])
ways = frozenset(settings["ways"])
assert defects <= set(DEFECTS)
assert ways <= set(WAYS)
app = Flask(__name__)
pool = ConnectionPool(settings["database_url"], min_size=settings["pool"], max_size=settings["pool"], timeout=5, open=False)
cards, signed_out = {}, set()
current = {"schema": None}


class Refused(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


@app.errorhandler(Refused)
def on_refused(problem):
    if problem.status in {401, 403} and (organization := addressed()):
        user = getattr(g, "who", {}).get("sub")
        note(organization, "access.refused" if problem.status == 403 else "login.failed", user=user, reason=problem.code)
    return jsonify(code=problem.code), problem.status


@app.errorhandler(HTTPException)
def on_http(problem):
    return jsonify(code="unusable" if problem.code == 400 else "missing"), problem.code


@app.errorhandler(psycopg.Error)
def on_database(problem):
    if isinstance(problem, psycopg.errors.UniqueViolation):
        return jsonify(code="taken"), 409
    if isinstance(problem, psycopg.DataError | psycopg.IntegrityError):
        return jsonify(code="unusable"), 422
    return jsonify(code="unavailable"), 503 if isinstance(problem, psycopg.OperationalError | PoolTimeout) else 500


@app.after_request
def headers(answer):
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


@app.after_request
def written(answer):
    """Answers in the form of this deployment: errors are JSON where rows are CSV."""
    form = next((one for one in ("XML", "CSV") if one in ways), "")
    if not form or not answer.is_json or (form == "CSV" and answer.status_code >= 400):
        return answer
    document = answer.get_json()
    rows = document.get("items", [document])
    if form == "XML":
        answer.mimetype, text = "application/xml", f"<answer>{''.join(map(element, rows))}</answer>"
        answer.set_data(text if "items" in document else element(document))
        return answer
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(rows[0]) if rows else ["id"])
    writer.writeheader()
    writer.writerows(rows)
    answer.mimetype = "text/csv"
    answer.set_data(table.getvalue())
    return answer


def element(row):
    texts = {name: "".join(one if one.isprintable() else f"&#{ord(one)};" for one in escape(str(row[name]))) for name in row}
    return "<row>" + "".join(f"<{name}>{text}</{name}>" for name, text in texts.items() if row[name] is not None) + "</row>"


@app.before_request
def only_https():
    if request.headers.get("X-Forwarded-Proto", "https").lower() == "http":
        raise Refused(403, "use_https")


def claims():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(401, "no_credentials")
    try:
        found = jwt.decode(
            token, settings["public_key"], algorithms=["RS256"], issuer=settings["issuer"], options={"require": ["exp"]}
        )
    except jwt.PyJWTError:
        raise Refused(401, "bad_credentials") from None
    if found.get("sid") in signed_out:
        raise Refused(401, "bad_credentials")
    g.who = found
    return found


def chosen():
    """The organisations that the request names: each place that chooses one has to."""
    names = {"HEADER": request.headers.getlist("X-Workspace"), "HOST": hosts(), "PATH": request.environ.get("stock.path", [])}
    found = []
    for way in [one for one in CHOOSE if one in ways]:
        if len(names[way]) != 1 or not names[way][0]:
            raise Refused(400, "no_workspace")
        found.append(names[way][0] if way == "HEADER" else organization(names[way][0]))
    return found


def addressed():
    try:
        return chosen()[-1].replace("\0", "")
    except Refused:
        return ""


def hosts():
    name, _, rest = request.headers.get("Host", "").lower().partition(".")
    return [name] if f".{rest}" == SUFFIX else []


def organization(slug):
    with pool.connection() as connection:
        found = connection.execute("SELECT public.stock_organization(%s)", (slug.replace("\0", ""),)).fetchone()[0]
    if found is None:
        raise Refused(404, "no_such_workspace")
    return found


def below_a_path(serve):
    """Takes /t/<slug> off the path."""

    def served(environ, start):
        parts = environ["PATH_INFO"].split("/", 3)
        if parts[1] == "t" and len(parts) == 4:
            environ |= {"stock.path": [parts[2]], "PATH_INFO": f"/{parts[3]}"}
        return serve(environ, start)

    return served


if "PATH" in ways:
    app.wsgi_app = below_a_path(app.wsgi_app)


@contextmanager
def workspace(who, least):
    """A transaction in the workspace of the request."""
    values = chosen()
    compared = values[:1] if "HOST_WINS" in defects else values
    if any(value != who.get("org_id") for value in compared) and "HEADER_WINS" not in defects:
        raise Refused(403, "not_yours")
    values = values[-1:]
    with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT * FROM public.resolve_tenant(%s, %s)", (values[0], who["sub"])).fetchone()
        if row is None or row["deleted_at"]:
            raise Refused(404, "no_such_workspace")
        if row["user_id"] is None and values[0] == who.get("org_id"):
            row |= enlisted(cursor, who, row["tenant_id"])
        role = row["role"] or "owner"
        if row["subscription_status"] not in {"active", "trial"}:
            raise Refused(403, "locked")
        if RANKS[role] < RANKS[least]:
            raise Refused(403, "not_allowed")
        g.tenant, g.user, g.role = str(row["tenant_id"]), row["user_id"], role
        current["schema"] = row["schema_name"]
        enter(cursor, row["schema_name"])
        yield cursor


def enter(cursor, schema):
    is_local = "SESSION_PATH" not in defects
    if "CURRENT_WORKSPACE_IS_GLOBAL" in defects:
        cursor.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(schema, "products")))
        schema = current["schema"]
    cursor.execute("SELECT set_config('search_path', quote_ident(%s), %s)", (schema, is_local))


def enlisted(cursor, who, tenant):
    """The identity provider vouches for members; the first time somebody comes, the role is what it says."""
    if who.get("role") not in RANKS:
        raise Refused(403, "not_yours")
    return cursor.execute(
        "INSERT INTO public.users (clerk_user_id, email, tenant_id, role) VALUES (%s, %s, %s, %s) RETURNING id AS user_id, role::text",
        (who["sub"], who["email"], tenant, who["role"]),
    ).fetchone()


def route(path, *methods, least="viewer"):
    """A route inside a workspace."""

    def decorate(work):
        @app.route(path, methods=methods, endpoint=f"{path} {methods}")
        @wraps(work)
        def endpoint(**parts):
            who = claims()
            for part in parts.values():
                identifier(part)
            with workspace(who, least) as cursor:
                return work(cursor, **parts)

        return endpoint

    return decorate


def identifier(text):
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Refused(404, "missing") from None


def sent(*names):
    body = amounts(request.form.to_dict()) if "FORM" in ways else request.get_json(silent=True)
    if not isinstance(body, dict) or not is_storable(json.dumps(body, ensure_ascii=False)) or "\\u0000" in json.dumps(body):
        raise Refused(400, "unusable")
    found = {name: body[name] for name in names if name in body}
    if any(value is not None and not isinstance(value, str | int | float) for value in found.values()):
        raise Refused(422, "unusable")
    return found


def amounts(form):
    for name in form.keys() & {"price", "pieces"}:
        try:
            form[name] = float(form[name])
        except ValueError:
            raise Refused(422, "unusable") from None
    if not form:
        raise Refused(400, "unusable")
    return form


def is_storable(text):
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def page():
    try:
        limit, offset = int(request.args.get("limit", 50)), int(request.args.get("offset", 0))
    except ValueError:
        raise Refused(400, "unusable") from None
    if not (0 < limit <= 100 and 0 <= offset < 10**9):
        raise Refused(400, "unusable")
    return {"limit": limit, "offset": offset}


def one(row):
    if row is None:
        raise Refused(404, "missing")
    return jsonify(row)


def trail(cursor, action, about):
    cursor.execute(
        "INSERT INTO public.audit_logs (tenant_id, user_id, action, resource_type, resource_id) VALUES (%s, %s, %s, 'article', %s)",
        (g.tenant, g.user, action, about),
    )


@app.get("/up")
def up():
    return jsonify(status="up")


@route("/v1/articles", "GET")
def articles(cursor):
    query = f"SELECT {ARTICLE} FROM products ORDER BY created_at DESC, id LIMIT %(limit)s OFFSET %(offset)s"
    return jsonify(items=cursor.execute(query, page()).fetchall())


@route("/v1/articles", "POST", least="member")
def make_article(cursor):
    given = {"description": None, "price": 0} | sent("sku", "name", "description", "price")
    if not isinstance(given.get("sku"), str) or not isinstance(given.get("name"), str):
        raise Refused(422, "unusable")
    query = (
        "INSERT INTO products (company_id, sku, name, description, unit_price) SELECT c.id, %(sku)s, %(name)s, %(description)s,"
        f" %(price)s FROM companies AS c ORDER BY c.created_at LIMIT 1 RETURNING {ARTICLE}"
    )
    return jsonify(cursor.execute(query, given).fetchone()), 201


@route("/v1/articles/<row>", "GET")
def article(cursor, row):
    return one(cursor.execute(f"SELECT {ARTICLE} FROM products WHERE id = %s", (row,)).fetchone())


@route("/v1/articles/<row>", "PATCH", least="member")
def change_article(cursor, row):
    given = {"name": None, "description": None} | sent("name", "description")
    query = "UPDATE products SET name = coalesce(%(name)s, name), description = coalesce(%(description)s, description)"
    return one(cursor.execute(f"{query} WHERE id = %(row)s RETURNING {ARTICLE}", given | {"row": row}).fetchone())


@route("/v1/articles/<row>", "DELETE", least="member")
def delete_article(cursor, row):
    found = cursor.execute("DELETE FROM products WHERE id = %s RETURNING id::text", (row,)).fetchone()
    cards.pop((g.tenant, row), None)
    if found:
        trail(cursor, "article.deleted", row)
    return one(found)


@route("/v1/articles/<row>/card", "GET")
def card(cursor, row):
    key = row if "CARD_CACHE_BY_ID" in defects else (g.tenant, row)
    made, kept = cards.get(key, (0, None))
    is_hit = kept is not None and time.monotonic() - made < CARD_LIFE_S
    if not is_hit:
        kept = cursor.execute("SELECT id::text, name, length(name) AS letters FROM products WHERE id = %s", (row,)).fetchone()
        if kept:
            cards[key] = (time.monotonic(), kept)
    answer = one(kept)
    answer.headers["X-From-Cache"] = "hit" if is_hit else "miss"
    return answer


@route("/v1/articles/<row>/stock", "GET")
def stock(cursor, row):
    one(cursor.execute("SELECT id::text FROM products WHERE id = %s", (row,)).fetchone())
    query = "SELECT id::text, location, quantity_on_hand::float8 AS pieces FROM inventory WHERE product_id = %s ORDER BY created_at, id"
    return jsonify(items=cursor.execute(query, (row,)).fetchall())


@route("/v1/articles/<row>/stock", "POST", least="member")
def make_stock(cursor, row):
    given = sent("location", "pieces") | {"row": row}
    if not isinstance(given.get("location"), str) or not isinstance(given.get("pieces"), int | float):
        raise Refused(422, "unusable")
    query = (
        "INSERT INTO inventory (company_id, product_id, location, quantity_on_hand) SELECT p.company_id, p.id, %(location)s, %(pieces)s"
        " FROM products AS p WHERE p.id = %(row)s RETURNING id::text, location, quantity_on_hand::float8 AS pieces"
    )
    return one(cursor.execute(query, given).fetchone()), 201


@app.get("/v1/find")
def find():
    who, text = claims(), request.args.get("term", "").replace("\0", "")
    with workspace(who, "viewer") as cursor:
        words = {"text": "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"}
        query = f"SELECT {ARTICLE} FROM products WHERE name ILIKE %(text)s OR description ILIKE %(text)s ORDER BY id LIMIT 20"
        return jsonify(items=cursor.execute(query, words).fetchall())


@app.get("/v1/highlights")
def highlights():
    """What everybody may see: nothing as long as a connection stands in no workspace."""
    with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT to_regclass('products') AS products").fetchone()
        found = cursor.execute("SELECT name FROM products ORDER BY id LIMIT 5").fetchall() if row["products"] else []
        return jsonify(items=found)


@route("/v1/summary", "GET")
def summary(cursor):
    query = "SELECT count(*) AS articles, coalesce(sum(unit_price), 0)::float8 AS worth FROM products"
    return jsonify(cursor.execute(query).fetchone())


@route("/v1/me", "GET")
def me(cursor):
    return one(
        cursor.execute("SELECT id::text, email, full_name, role::text FROM public.users WHERE id = %s", (g.user,)).fetchone()
    )


@route("/v1/me", "PATCH")
def change_me(cursor):
    given = {"full_name": None, "role": None} | sent("full_name", *(["role"] if "ME_TAKES_ALL" in defects else []))
    query = (
        "UPDATE public.users SET full_name = coalesce(%(full_name)s, full_name), role = coalesce(%(role)s::public.user_role, role)"
        " WHERE id = %(id)s RETURNING id::text, email, full_name, role::text"
    )
    return one(cursor.execute(query, given | {"id": g.user}).fetchone())


@route("/v1/people", "GET", least="admin")
def people(cursor):
    query = "SELECT id::text, email, full_name, role::text FROM public.users ORDER BY created_at, id LIMIT %(limit)s OFFSET %(offset)s"
    return jsonify(items=cursor.execute(query, page()).fetchall())


@route("/v1/people/<row>", "GET", least="admin")
def person(cursor, row):
    return one(cursor.execute("SELECT id::text, email, full_name, role::text FROM public.users WHERE id = %s", (row,)).fetchone())


@route("/v1/people/<row>", "PATCH", least="admin")
def change_person(cursor, row):
    wanted = sent("role").get("role")
    before = cursor.execute("SELECT role::text FROM public.users WHERE id = %s FOR UPDATE", (row,)).fetchone()
    if before is None:
        raise Refused(404, "missing")
    if wanted not in RANKS:
        raise Refused(422, "unusable")
    if "owner" in {wanted, before["role"]} and g.role != "owner":
        raise Refused(403, "not_allowed")
    trail(cursor, "person.role_changed", row)
    query = "UPDATE public.users SET role = %s WHERE id = %s RETURNING id::text, email, full_name, role::text"
    return one(cursor.execute(query, (wanted, row)).fetchone())


@route("/v1/trail", "GET", least="admin")
def audit_trail(cursor):
    query = (
        "SELECT id::text, user_id::text, action, resource_id, created_at::text FROM public.audit_logs"
        " ORDER BY created_at DESC, id LIMIT %(limit)s OFFSET %(offset)s"
    )
    return jsonify(items=cursor.execute(query, page()).fetchall())


@app.post("/v1/logout")
def logout():
    who = claims()
    signed_out.add(who["sid"])
    note(who.get("org_id"), "session.ended", user=who["sub"])
    return jsonify(signed_out=True)


def note(organization, action, *, user=None, reason=""):
    """Write into the trail of a workspace what happened outside one."""
    with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT * FROM public.resolve_tenant(%s, %s)", (organization, user)).fetchone()
        if row and not row["deleted_at"]:
            g.tenant, g.user = str(row["tenant_id"]), row["user_id"]
            trail(cursor, action, reason or "session")


def main():
    pool.open(wait=True)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()
    server.shutdown()
    pool.close()


if __name__ == "__main__":
    main()

"""Search: one text, looked for in the tenant's products and comments.

SESSION_SET and RESET_ON_SUCCESS_ONLY show here: this route trusts a search_path that is there already (`session_path`).
"""

from typing import LiteralString

from starlette.requests import Request

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import page_of
from capliquify_ops.reference.service.reads import page_route
from capliquify_ops.reference.service.refusals import malformed
from capliquify_ops.reference.service.store import Parameters

_MOST_CHARACTERS = 200
_SEARCH: LiteralString = """
SELECT coalesce(json_agg(row_to_json(page)), '[]')::text FROM (
  SELECT * FROM (
    SELECT 'product' AS kind, id, name, description, category, NULL::text AS body, created_at FROM products
    WHERE name ILIKE %(pattern)s OR description ILIKE %(pattern)s OR category ILIKE %(pattern)s
    UNION ALL
    SELECT 'comment', id, NULL, NULL, NULL, body, created_at FROM reference_service.comments WHERE body ILIKE %(pattern)s
  ) AS found ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS page
"""


def _asked(request: Request) -> Parameters:
    text = request.query_params.get("q", "")
    if not text.strip() or len(text) > _MOST_CHARACTERS or "\0" in text:
        raise malformed(f"'q' must be 1 to {_MOST_CHARACTERS} characters to look for; correct it.")
    return {"pattern": _holding(text), **page_of(request)}


def _holding(text: str) -> str:
    """The pattern of LIKE for texts that hold this one, none of whose characters means anything else."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


search = page_route(Need("viewer", trusts_path=True), _SEARCH, _asked)
"""The rows whose text holds `q`, in any case, newest first."""

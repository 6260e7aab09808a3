"""Search: one text, looked for in the tenant's products and comments.

SESSION_SET and RESET_ON_SUCCESS_ONLY show here: this route trusts a search_path that is there already (`session_path`).
"""

from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import page_of
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.refusals import malformed, success

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


@tenant_route(Need("viewer", trusts_path=True))
async def search(visit: Visit) -> Response:
    """The rows whose text holds `q`, in any case, newest first."""
    text = visit.request.query_params.get("q", "")
    if not text.strip() or len(text) > _MOST_CHARACTERS or "\0" in text:
        raise malformed(f"'q' must be 1 to {_MOST_CHARACTERS} characters to look for; correct it.")
    page = page_of(visit.request)
    return success(await visit.finish(_SEARCH, {"pattern": _holding(text), **page}) or "[]", pagination=page)


def _holding(text: str) -> str:
    """The pattern of LIKE for texts that hold this one, none of whose characters means anything else."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"

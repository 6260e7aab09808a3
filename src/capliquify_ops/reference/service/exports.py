"""Exports: a file of one tenant's rows, under a name that nobody can guess, handed out by the tenant's own row alone."""

import asyncio
import csv
import io
import json
import os
import secrets
import time
from pathlib import Path
from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import check_fields, parse_object, resource_id
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.idempotency import idempotent
from capliquify_ops.reference.service.jobs import QUEUE, Job, wake
from capliquify_ops.reference.service.links import link_to
from capliquify_ops.reference.service.reads import found
from capliquify_ops.reference.service.refusals import not_found, success
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.store import Transaction

FOLDER = "exports"
KEPT_S = 600.0
"""A file is removed after this time; its row stays and says that it was done."""
_HEAD = ("kind", "id", "name", "text")
_STATE: LiteralString = """
SELECT json_build_object('id', id, 'state', state)::text FROM reference_service.jobs WHERE id = %(id)s::uuid AND kind = 'export'
"""
_FILE: LiteralString = """
SELECT result ->> 'file' FROM reference_service.jobs WHERE id = %(id)s::uuid AND kind = 'export' AND state = 'done'
"""
_ROWS: LiteralString = """
SELECT coalesce(json_agg(json_build_array(r.kind, r.id, r.name, r.text) ORDER BY r.kind, r.id), '[]')::text FROM (
  SELECT 'product' AS kind, p.id, p.name, p.description AS text FROM products AS p
  UNION ALL SELECT 'comment', c.id, p.name, c.body
  FROM reference_service.comments AS c LEFT JOIN products AS p ON p.id = c.product_id
) AS r
"""


@tenant_route(Need("member", writes=True))
@idempotent(202)
async def create_export(visit: Visit) -> Response:
    """Queues an export of the tenant's products and comments."""
    check_fields(parse_object(visit.body or b"{}"), {})
    answer = found(await visit.finish(QUEUE, {"kind": "export", "label": "", "made_by": visit.session.user}), 202)
    wake(visit.request)
    return answer


@tenant_route(Need("viewer"))
async def export_state(visit: Visit) -> Response:
    """How far an export is."""
    parameters: dict[str, object] = {"id": resource_id(visit.request)}
    if visit.service.switches.has("SUPPORT_AND_BROADCAST"):
        return await _state_with_link(visit, parameters)
    return found(await visit.finish(_STATE, parameters))


@tenant_route(Need("viewer"))
async def export_file(visit: Visit) -> Response:
    """The file; 404 until it is there, when its time is over, and for an export of another tenant."""
    name = await visit.finish(_FILE, {"id": resource_id(visit.request)})
    if name is None:
        raise not_found()
    return file_response(visit.service, name)


async def _state_with_link(visit: Visit, parameters: dict[str, object]) -> Response:
    name = await visit.transaction.first(_FILE, parameters)
    state = await visit.finish(_STATE, parameters)
    if state is None or name is None:
        return found(state)
    return success(json.dumps(json.loads(state) | {"link": link_to(visit.service, name[0])}))


def file_response(service: Service, name: str) -> Response:
    """A finished file as an attachment. Refusal 404 when it was removed."""
    try:
        content = (folder_of(service) / name).read_bytes()
    except FileNotFoundError:
        raise not_found() from None
    return Response(content, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="export.csv"'})


async def write_export(service: Service, transaction: Transaction, _job: Job) -> str:
    """Writes the rows of the transaction's tenant into a new file; the result names it."""
    found_rows = await transaction.first(_ROWS, {})
    name = f"{secrets.token_urlsafe(24)}.csv"
    if service.switches.on("EXPORT_SHARED_PATH"):
        name = "export.csv"
    await asyncio.to_thread(_write, folder_of(service) / name, json.loads(found_rows[0]) if found_rows else [])
    return json.dumps({"file": name})


def remove_old(service: Service) -> None:
    """Removes the files whose time is over."""
    for path in folder_of(service).glob("*.csv"):
        try:
            if path.stat().st_mtime < time.time() - KEPT_S:
                path.unlink()
        except FileNotFoundError:
            continue  # another worker was faster


def folder_of(service: Service) -> Path:
    """The folder of the files, made with the first one."""
    return Path(service.settings.run_folder) / FOLDER


def _write(path: Path, rows: list[list[object]]) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEAD)
    writer.writerows(rows)
    half = path.with_suffix(f".{secrets.token_hex(8)}")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text.getvalue())
    # Nobody reads half a file.
    half.replace(path)

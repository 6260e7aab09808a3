"""The application: every route in one table, and what becomes of each kind of failure."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from capliquify_ops.reference.service import analytics, onboarding, people, products
from capliquify_ops.reference.service.edge import LOG, Edge
from capliquify_ops.reference.service.gate import Endpoint
from capliquify_ops.reference.service.metrics import exposition
from capliquify_ops.reference.service.refusals import Refusal, busy, failure, not_found
from capliquify_ops.reference.service.resources import FORECASTS, INVENTORY, SALES, SCENARIOS
from capliquify_ops.reference.service.runtime import Service, make_service
from capliquify_ops.reference.service.settings import load_settings

_SAMPLE_S = 1.0


async def health(request: Request) -> Response:
    """Whether the database answers, asked now; 503 when it does not. Open to everybody."""
    service: Service = request.app.state.service
    is_alive = await service.store.is_alive()
    body = {
        "status": "healthy" if is_alive else "unhealthy",
        "database": "connected" if is_alive else "disconnected",
        "uptime": round(monotonic() - service.started_at, 3),
        "instance": service.settings.instance,
    }
    return JSONResponse(body, 200 if is_alive else 503)


async def metrics(request: Request) -> Response:
    """The Prometheus text of all workers. Open to everybody who reaches the port, as is usual behind a proxy."""
    service: Service = request.app.state.service
    service.store.sample()
    return PlainTextResponse(exposition(Path(service.settings.run_folder)), media_type="text/plain; version=0.0.4; charset=utf-8")


ROUTES: tuple[tuple[str, dict[str, Endpoint]], ...] = (
    ("/api/health", {"GET": health}),
    ("/metrics", {"GET": metrics}),
    ("/api/products", {"GET": products.list_products, "POST": products.create_product}),
    (
        "/api/products/{id}",
        {
            "GET": products.get_product,
            "PUT": products.replace_product,
            "PATCH": products.change_product,
            "DELETE": products.delete_product,
        },
    ),
    ("/api/sales", {"GET": products.list_route(SALES), "POST": products.create_route(SALES)}),
    ("/api/inventory", {"GET": products.list_route(INVENTORY), "POST": products.create_route(INVENTORY)}),
    (
        "/api/forecasts",
        {
            "GET": products.list_route(FORECASTS, "basic_forecasting"),
            "POST": products.create_route(FORECASTS, "basic_forecasting"),
        },
    ),
    ("/api/forecasts/ai", {"GET": analytics.list_ai_forecasts, "POST": analytics.make_ai_forecast}),
    (
        "/api/scenarios",
        {"GET": products.list_route(SCENARIOS, "what_if_analysis"), "POST": products.create_route(SCENARIOS, "what_if_analysis")},
    ),
    ("/api/reports/advanced", {"GET": analytics.advanced_report}),
    ("/api/dashboard", {"GET": analytics.dashboard}),
    ("/api/working-capital", {"GET": analytics.working_capital}),
    ("/api/users/profile", {"GET": people.profile}),
    ("/api/users", {"GET": people.list_users}),
    ("/api/users/{id}", {"PATCH": people.change_role}),
    ("/api/audit-logs", {"GET": people.list_audit_logs}),
    ("/api/session/sign-out", {"POST": people.sign_out}),
    ("/api/admin/tenants", {"POST": onboarding.create_tenant}),
)
"""Path, then what answers each method."""


def load_app(settings_file: str) -> Edge:
    """The application of one worker, made inside the worker."""
    settings = load_settings(Path(settings_file))
    routes, templates = [], {}
    for path, methods in ROUTES:
        endpoint = _by_method(methods)
        routes.append(Route(path, endpoint, methods=[*methods]))
        templates[endpoint] = path
    app = Starlette(routes=routes, exception_handlers=_HANDLERS, lifespan=_lifespan)
    app.router.redirect_slashes = False
    app.state.settings = settings
    app.state.edge = edge = Edge(app, templates, settings.access_log)
    return edge


def _by_method(methods: dict[str, Endpoint]) -> Endpoint:
    """One endpoint per path: the route table stays small, and a wrong method is answered with all the right ones."""
    by_method = methods | ({"HEAD": methods["GET"]} if "GET" in methods else {})

    async def endpoint(request: Request) -> Response:
        return await by_method[request.method](request)

    return endpoint


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    service = make_service(app.state.settings, os.getpid())
    app.state.service = service
    app.state.edge.series = service.series
    await service.store.open()
    watching = asyncio.create_task(_watch(service, os.getppid()))
    try:
        yield
    finally:
        watching.cancel()
        await service.store.close()


async def _watch(service: Service, parent: int) -> None:
    """Keeps the gauges fresh, and ends a worker whose main process is gone: nobody else would."""
    while True:
        service.store.sample()
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        await asyncio.sleep(_SAMPLE_S)


async def _on_refusal(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Refusal)
    return failure(problem)


async def _on_http(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    if problem.status_code == 405:  # noqa: PLR2004 -- the status itself
        return failure(
            Refusal(
                405, "method_not_allowed", "This path does not take that method; see the Allow header.", headers=problem.headers
            )
        )
    if problem.status_code == 404:  # noqa: PLR2004
        return failure(not_found())
    return failure(Refusal(problem.status_code, "invalid_request", "The request cannot be used; correct it."))


async def _on_database(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, psycopg.Error)
    match problem:
        case errors.UniqueViolation():
            refusal = Refusal(409, "already_exists", "Something with this name or key exists already; choose another.")
        case errors.ForeignKeyViolation():
            refusal = not_found()
        case errors.CheckViolation() | errors.NotNullViolation() | psycopg.DataError():
            refusal = Refusal(422, "validation_failed", "A value cannot be stored; correct the body.")
        case PoolTimeout() | PoolClosed() | psycopg.OperationalError():
            LOG.warning("database unavailable: %s %s", type(problem).__name__, problem.sqlstate)
            refusal = busy("database_unavailable", "The database cannot be reached at the moment; try again shortly.")
        case _:
            LOG.error("database error: %s %s", type(problem).__name__, problem.sqlstate)
            refusal = Refusal(500, "internal_error", "The service failed; the failure was logged. Try again, or contact support.")
    return failure(refusal)


_HANDLERS = {Refusal: _on_refusal, HTTPException: _on_http, psycopg.Error: _on_database}

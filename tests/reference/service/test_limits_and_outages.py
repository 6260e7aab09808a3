"""The service at its limits: an empty bucket, a database that goes away and comes back, an identity provider that is gone."""

import os
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from .conftest import Outage, Running, run, wait_for


def statuses(running: Running, headers: dict[str, str], count: int) -> Counter[int]:
    def ask(_number: int) -> int:
        return running.http.get("/api/products/none", headers=headers).status_code

    with ThreadPoolExecutor(16) as pool:
        return Counter(pool.map(ask, range(count)))


def test_the_rate_limit_is_the_tenants_and_shared_by_workers() -> None:
    """Beyond burst and rate a tenant gets 429 with Retry-After, whichever worker answers; another tenant does not notice; waiting helps."""
    limits = {"rate_limit_per_s": 5, "rate_limit_burst": 40}
    with run(service_settings=limits) as running:
        one, other = running.tenant(), running.tenant()
        begun = time.monotonic()
        seen = statuses(running, one.headers(), 200)
        allowed_at_most = 40 + 5 * (time.monotonic() - begun) + 1
        assert set(seen) == {404, 429}
        assert 40 <= seen[404] <= allowed_at_most
        answer = wait_for(
            lambda: next((a for a in [running.http.get("/api/products", headers=one.headers())] if a.status_code == 429), None)
        )
        assert (answer.json()["error"], int(answer.headers["retry-after"])) == ("rate_limit_exceeded", 1)
        assert statuses(running, other.headers(), 30) == {404: 30}
        wait_for(lambda: running.http.get("/api/products", headers=one.headers()).status_code == 200)


@pytest.fixture(scope="module")
def mortal() -> Iterator[tuple[Running, Outage]]:
    """A stack whose parts these tests end, with its outage: what was started again ends with the stack."""
    with run() as running:
        outage = Outage(running.stack.processes["postgres"])
        try:
            yield running, outage
        finally:
            outage.close()


def test_health_tells_the_truth_and_the_service_recovers(mortal: tuple[Running, Outage]) -> None:
    """While PostgreSQL is stopped health and requests are 503 with the error shape; after its start everything works again."""
    running, outage = mortal
    tenant = running.tenant()
    assert running.http.get("/api/products", headers=tenant.headers()).status_code == 200
    running.forget_connection()
    outage.begin()
    for _ in range(4):
        down = running.http.get("/api/health")
        assert (down.status_code, down.json()["database"]) == (503, "disconnected")
    refused = running.http.get("/api/products", headers=tenant.headers())
    assert (refused.status_code, refused.json()["error"]) == (503, "database_unavailable")
    assert refused.headers["retry-after"]
    outage.end()
    wait_for(lambda: running.http.get("/api/health").status_code == 200)
    wait_for(lambda: running.http.get("/api/products", headers=tenant.headers()).status_code == 200)
    with httpx.Client(base_url=running.stack.base_url, headers={"Connection": "close"}, verify=False) as http:
        for _ in range(20):
            assert http.get("/api/products", headers=tenant.headers()).status_code == 200
    text = (running.stack.run_folder / "service.log").read_text()
    assert "passfile" not in text
    assert "postgresql://" not in text


def test_a_first_login_without_identity_provider_is_503(mortal: tuple[Running, Outage]) -> None:
    """With the identity process gone newcomers get identity_unavailable with Retry-After, and known users go on."""
    running, _ = mortal
    tenant = running.tenant()
    os.kill(running.stack.processes["identity"], signal.SIGKILL)
    answer = running.http.get("/api/products", headers=tenant.headers_of(f"user_{uuid.uuid4().hex}"))
    assert (answer.status_code, answer.json()["error"]) == (503, "identity_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert running.http.get("/api/products", headers=tenant.headers()).status_code == 200


def workers_of(main: int) -> list[str]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(main)], capture_output=True, text=True, check=False)
    return listed.stdout.split()


@pytest.mark.whole
def test_workers_do_not_outlive_their_main_process() -> None:
    """When the main process is killed outright its workers end by themselves."""
    with run() as running:
        main = running.stack.processes["service"]
        workers = workers_of(main)
        assert len(workers) == 2
        os.kill(main, signal.SIGKILL)
        wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


@pytest.mark.whole
def test_sigterm_ends_the_service_gracefully() -> None:
    """SIGTERM ends main process and workers, and the port is free."""
    with run() as running:
        main = running.stack.processes["service"]
        workers = workers_of(main)
        os.kill(main, signal.SIGTERM)
        wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


@pytest.mark.whole
def test_a_dead_worker_is_replaced_and_its_counts_stay() -> None:
    """When a worker is killed another one takes its place, and no counter goes backwards."""
    with run() as running:
        tenant = running.tenant()
        for _ in range(20):
            assert httpx.get(f"{running.stack.base_url}/api/products", headers=tenant.headers()).status_code == 200
        name = 'http_requests_total{method="GET",route="/api/products",status="200"}'
        main = running.stack.processes["service"]
        victim, other = workers_of(main)
        running.http.close()
        os.kill(int(victim), signal.SIGKILL)
        wait_for(lambda: len(set(workers_of(main)) - {victim, other}) == 1)
        wait_for(lambda: len(list(running.stack.run_folder.glob("metrics-*.bin"))) == 3)
        text = httpx.get(f"{running.stack.base_url}/metrics").text
        assert f"{name} 20\n" in text

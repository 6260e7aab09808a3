"""A Render that keeps state: what is restarted has new instances, what is rolled back has other deploys, what is set stays set."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.render import Render, render_service
from capliquify_ops.model.secret import Secret

from .published import FOLDER, published

TOKEN = "rnd_only_for_this_test_9876"
START = datetime(2030, 1, 1, tzinfo=UTC)
OWNER = "tea-aaaaaaaaaaaaaaaaaaaa"
MINUTE, LIMIT = timedelta(minutes=1), 512.0 * 2**20
ZERO = "0001-01-01T00:00:00Z"  # how a Go program writes a time that it has not
PROGRESS = {"queued": "build_in_progress", "build_in_progress": "update_in_progress", "update_in_progress": "live"}
UNITS = {
    "cpu": "cpu",
    "cpu-limit": "cpu",
    "memory": "bytes",
    "memory-limit": "bytes",
    "http-latency": "ms",
    "http-requests": "requests",
    "instance-count": "instances",
}


def mend(document):
    """Correct the published document where Render itself does not follow it."""
    for path, operations in document["paths"].items():
        if path.startswith("/metrics/"):
            _mend_metric(document, operations["get"]["responses"])
    logs = _schema(document, document["paths"]["/logs"]["get"]["responses"]["200"])
    label = _inner(document, logs, "logs", "labels")
    # The names of labels have a typing mistake, and lag behind the official client.
    _found(document, label["properties"]["name"]).pop("enum")
    schemas = document["components"]["schemas"]
    event = _found(document, schemas["serviceEventWithCursor"]["properties"]["event"])
    for each in (event["properties"]["details"], schemas["service"]["properties"]["serviceDetails"]):
        # Several alternatives require next to nothing, so that every object fits more than the one that it must fit alone.
        alternatives = _found(document, each)
        alternatives["anyOf"] = alternatives.pop("oneOf")
    _rename(document, "/details/oneOf/", "/details/anyOf/")


def _mend_metric(document, answers):
    # These refusals exist, and are not written down for metrics.
    answers.update(dict.fromkeys(("401", "403", "404", "429"), answers["400"]))
    series = _found(document, _schema(document, answers["200"])["items"])
    # A point has no unit, its series has: the official client knows only these two fields.
    _inner(document, series, "values")["required"] = ["timestamp", "value"]


def _inner(document, schema, *keys):
    """The schema of the items of a list, by the fields that lead there."""
    for key in keys:
        schema = _found(document, _found(document, schema["properties"][key])["items"])
    return schema


def _rename(node, old, new):
    """Follow a field that has another name now, in every reference to it."""
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        node["$ref"] = node["$ref"].replace(old, new)
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _rename(each, old, new)


def _found(document, node):
    while "$ref" in node:
        at = document
        for written in node["$ref"].removeprefix("#/").split("/"):
            part = written.replace("~1", "/").replace("~0", "~")
            at = at[int(part)] if isinstance(at, list) else at[part]
        node = at
    return node


def _schema(document, answer):
    return _found(document, _found(document, answer)["content"]["application/json"]["schema"])


@cache
def document():
    """The mended document, None where it is not there: requests then meet only the fake's own rules."""
    return published("render.json", patch=mend) if (FOLDER / "render.json").is_file() else None


class Refusal(Exception):
    """A status and the words of a refusal."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class FakeRender:
    """Answers as Render does; `wrong` collects each request and answer that the published document does not allow."""

    def __init__(self):
        self.now = START
        self.services, self.deploys, self.instances, self.events = {}, {}, {}, {}
        self.variables, self.lines, self.wrong, self.number = {}, [], [], 0
        self.denied = set()
        self.memory = lambda _: LIMIT / 3

    # What happens to a service without anybody asking for it.

    def add(self, name="web", kind="web_service", owner=OWNER, instances=2, **more):
        service_id = self._id("srv")
        details = {
            "buildPlan": "starter", "env": "python", "runtime": "python", "plan": "starter", "region": "frankfurt",
            "envSpecificDetails": {"buildCommand": "make", "startCommand": "serve"}, "numInstances": instances,
            "healthCheckPath": "/health", "openPorts": [], "url": f"https://{name}.onrender.com", "schedule": "* * * * *",
        }  # fmt: skip
        self.services[service_id] = {
            "id": service_id, "name": name, "ownerId": owner, "type": kind, "autoDeploy": "yes", "autoDeployTrigger": "commit",
            "createdAt": self._stamp(), "updatedAt": self._stamp(), "dashboardUrl": "https://dashboard.render.com/x",
            "suspended": "not_suspended", "suspenders": [], "notifyOnFail": "default", "slug": name, "rootDir": "",
            "serviceDetails": details, **more,
        }  # fmt: skip
        self.deploys[service_id], self.events[service_id], self.variables[service_id] = [], [], {}
        self.instances[service_id] = []
        self._start(service_id)
        return service_id

    def push(self, service_id, commit):
        """Somebody pushes a commit: it goes live where autodeploy is on."""
        if self.services[service_id]["autoDeploy"] == "yes":
            deploy = self._new_deploy(service_id, "new_commit", {"id": commit, "message": f"Make {commit}"}, "update_in_progress")
            self._advance(service_id, deploy)

    def crash(self, service_id, **reason):
        """An instance ends, and another takes its place."""
        gone = self.instances[service_id].pop()
        self._event(service_id, "server_failed", {"instanceID": gone["id"], "reason": {"evicted": False, **reason}})
        self._start(service_id)

    def say(self, service_id, message, kind="app", after=1.0, nanosecond=789):
        self.now += timedelta(seconds=after)
        labels = {"resource": service_id, "instance": f"{service_id}-abcde", "level": "info", "type": kind, "sandbox": "x"}
        self.lines.append({
            "id": f"log-{len(self.lines)}", "timestamp": self._stamp().replace("000Z", f"{nanosecond:03}Z"), "message": message,
            "labels": [{"name": name, "value": value} for name, value in labels.items()],
        })  # fmt: skip

    # The door.

    def __call__(self, asked):
        status, body = self._answered(asked)
        if document() is not None:
            try:
                path = asked.path.removeprefix("/v1")
                document().check_request(asked, path)
                document().check_answer(asked.method, path, status, body)
            except Exception as fault:  # also one of the comparison itself: the test tells it, not a broken connection
                self.wrong.append(repr(fault)[:1000])
        return status, body

    def _answered(self, asked):
        try:
            if asked.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Refusal(401, f"unauthorized: {asked.headers.get('authorization')}")
            if asked.headers.get("accept") != "application/json":
                raise Refusal(406, "not acceptable")
            for verb, pattern, method in ROUTES:
                found = re.fullmatch(pattern, asked.path)
                if found and verb == asked.method:
                    return method(self, asked, *found.groups())
            self.wrong.append(f"{asked.method} {asked.path} is no operation")
            raise Refusal(404, "not found")
        except Refusal as refusal:
            return refusal.status, {"id": "req-1", "message": refusal.message}

    # The operations.

    def _find(self, asked):
        names, owners = self._all(asked, "name"), self._all(asked, "ownerId")
        found = [
            each
            for each in self.services.values()
            if (not names or each["name"] in names) and (not owners or each["ownerId"] in owners)
        ]
        return self._paged(asked, "service", found)

    def _service(self, asked, service_id):
        return 200, self._known(service_id)

    def _update(self, asked, service_id):
        service = self._known(service_id)
        service.update(asked.body)
        service["autoDeployTrigger"] = "off" if service["autoDeploy"] == "no" else "commit"
        return 200, service

    def _list_deploys(self, asked, service_id):
        self._known(service_id)
        statuses, after = self._all(asked, "status"), self._one(asked, "createdAfter", ZERO)
        found = [
            each
            for each in self.deploys[service_id]
            if (not statuses or each["status"] in statuses) and self._time(each["createdAt"]) > self._time(after)
        ]
        return self._paged(asked, "deploy", found)

    def _deploy(self, asked, service_id, deploy_id):
        """Answer, and let some time go by."""
        deploy = self._known_deploy(service_id, deploy_id)
        answer = dict(deploy)
        if deploy["status"] in PROGRESS:
            self._advance(service_id, deploy)
        return 200, answer

    def _deploy_again(self, asked, service_id):
        self._known(service_id)
        revision = {"id": asked.body.get("commitId", "c-newest"), "message": "Newest"}
        if any(each["status"] in PROGRESS for each in self.deploys[service_id]):
            self._new_deploy(service_id, "api", revision, "queued")
            return 202, None
        return 201, dict(self._new_deploy(service_id, "api", revision, "build_in_progress"))

    def _roll_back(self, asked, service_id):
        self._known(service_id)
        earlier = self._known_deploy(service_id, asked.body["deployId"])
        if earlier["status"] != "deactivated":
            raise Refusal(400, "the deploy cannot be rolled back to")
        return 201, dict(self._new_deploy(service_id, "rollback", earlier["commit"], "update_in_progress"))

    def _restart(self, asked, service_id):
        if self._known(service_id)["type"] == "cron_job":
            raise Refusal(400, "cron jobs cannot be restarted")
        self.instances[service_id].clear()
        self._event(service_id, "server_restarted", {"triggeredByUser": None})
        self._start(service_id)
        return 200, None

    def _list_instances(self, asked, service_id):
        self._known(service_id)
        return 200, self.instances[service_id]

    def _list_events(self, asked, service_id):
        self._known(service_id)
        kind = self._one(asked, "type", None)
        start, end = self._window(asked, timedelta(days=7))
        found = [
            each
            for each in self.events[service_id]
            if kind in (None, each["type"]) and start <= self._time(each["timestamp"]) <= end
        ]
        return self._paged(asked, "event", found)

    def _list_variables(self, asked, service_id):
        self._known(service_id)
        found = [{"key": key, "value": value} for key, value in sorted(self.variables[service_id].items())]
        return self._paged(asked, "envVar", found)

    def _set_variable(self, asked, service_id, key):
        self._known(service_id)
        self.variables[service_id][key] = asked.body["value"]
        return 200, {"key": key, "value": asked.body["value"]}

    def _logs(self, asked):
        resources, kinds, limit = self._all(asked, "resource"), self._all(asked, "type"), self._limit(asked)
        if any(self._known(each)["ownerId"] != self._one(asked, "ownerId", None) for each in resources):
            raise Refusal(403, "another workspace")
        beginning, now = self._stamp(self.now - timedelta(hours=1)), self._stamp(self.now + timedelta(seconds=1))
        start, end = self._one(asked, "startTime", beginning), self._one(asked, "endTime", now)
        found = [
            line
            for line in reversed(self.lines)
            if self._label(line, "resource") in resources
            and (not kinds or self._label(line, "type") in kinds)
            and self._nanoseconds(start) <= self._nanoseconds(line["timestamp"]) <= self._nanoseconds(end)
        ]
        more = len(found) > limit
        # The next stretch begins at the last line of this one, which comes again.
        following = (start, found[limit - 1]["timestamp"]) if more else (ZERO, ZERO)
        return 200, {"hasMore": more, "nextStartTime": following[0], "nextEndTime": following[1], "logs": found[:limit]}

    def _metric(self, asked, name):
        start, end = self._window(asked, timedelta(hours=1))
        step = timedelta(seconds=float(self._one(asked, "resolutionSeconds", "60")))
        times = [start + step * number for number in range(int((end - start) / step) + 1)]
        answer = []
        for service_id in self._all(asked, "resource"):
            self._known(service_id)
            for instance in self.instances[service_id] if name in {"cpu", "memory"} else [{"id": service_id}]:
                values = [{"timestamp": self._stamp(time), "value": self._value(name, (time - start) / MINUTE)} for time in times]
                labels = [{"field": "resource", "value": service_id}, {"field": "instance", "value": instance["id"]}]
                answer.append({"labels": labels, "values": values, "unit": UNITS[name]})
        return 200, answer

    def _value(self, name, minutes):
        """Processors and counts stand still; memory is what the test says of it, by the minutes of the window."""
        return {"memory": float(self.memory(minutes)), "memory-limit": LIMIT}.get(name, 0.25)

    # What they share.

    def _known(self, service_id):
        if service_id in self.denied:
            raise Refusal(403, "not yours")
        if service_id not in self.services:
            raise Refusal(404, f"not found: service: {service_id}")
        return self.services[service_id]

    def _known_deploy(self, service_id, deploy_id):
        self._known(service_id)
        for each in self.deploys[service_id]:
            if each["id"] == deploy_id:
                return each
        raise Refusal(404, f"not found: deploy: {deploy_id}")

    def _new_deploy(self, service_id, trigger, commit, status):
        self.now += timedelta(seconds=60)
        deploy = {
            "id": self._id("dep"), "commit": commit, "status": status, "trigger": trigger,
            "createdAt": self._stamp(), "startedAt": self._stamp(), "updatedAt": self._stamp(),
        }  # fmt: skip
        self.deploys[service_id].insert(0, deploy)
        return deploy

    def _advance(self, service_id, deploy):
        self.now += timedelta(seconds=30)
        deploy["status"] = PROGRESS[deploy["status"]]
        if deploy["status"] == "live":
            for each in self.deploys[service_id]:
                if each["status"] == "live" and each is not deploy:
                    each["status"] = "deactivated"
            deploy["finishedAt"] = self._stamp()
            details = {"deployId": deploy["id"], "deployStatus": "succeeded", "status": 2, "reason": {}}
            self._event(service_id, "deploy_ended", details)
            self.instances[service_id].clear()
            self._start(service_id)

    def _start(self, service_id):
        wanted = self.services[service_id]["serviceDetails"]["numInstances"]
        while len(self.instances[service_id]) < wanted:
            self.number += 1
            self.instances[service_id].append({"id": f"{service_id}-{self.number:05d}", "createdAt": self._stamp()})
        self._event(service_id, "server_available", {})

    def _event(self, service_id, kind, details):
        self.now += timedelta(seconds=1)
        event = {"id": self._id("evt"), "timestamp": self._stamp(), "serviceId": service_id, "type": kind, "details": details}
        self.events[service_id].insert(0, event)

    def _paged(self, asked, key, found):
        cursor, limit = self._one(asked, "cursor", None), self._limit(asked)
        cursors = [f"after+{key}/{number}=" for number in range(len(found))]
        if cursor is not None and cursor not in cursors:
            raise Refusal(400, "invalid cursor")
        begin = cursors.index(cursor) + 1 if cursor else 0
        return 200, [{key: found[place], "cursor": cursors[place]} for place in range(len(found))][begin : begin + limit]

    def _limit(self, asked):
        limit = int(self._one(asked, "limit", "20"))
        if not 1 <= limit <= 100:
            raise Refusal(400, "limit must be from 1 to 100")
        return limit

    def _window(self, asked, default):
        end = self._time(self._one(asked, "endTime", self._stamp()))
        return self._time(self._one(asked, "startTime", self._stamp(end - default))), end

    def _id(self, kind):
        self.number += 1
        return f"{kind}-{self.number:020d}"

    def _stamp(self, time=None):
        # Go writes nanoseconds.
        return (time or self.now).isoformat(timespec="microseconds").replace("+00:00", "000Z")

    @staticmethod
    def _time(text):
        return datetime.fromisoformat(text)

    @staticmethod
    def _nanoseconds(text):
        """A moment with all its digits, of which a datetime keeps but six."""
        fraction = re.search(r"\.(\d+)", text)
        return datetime.fromisoformat(text).replace(microsecond=0), (fraction[1] if fraction else "").ljust(9, "0")

    @staticmethod
    def _label(line, name):
        return next(each["value"] for each in line["labels"] if each["name"] == name)

    @staticmethod
    def _all(asked, name):
        return [value for key, value in asked.query if key == name]

    def _one(self, asked, name, default):
        return next(iter(self._all(asked, name)), default)


_SERVICE = "/v1/services/([^/]+)"
ROUTES = [
    ("GET", "/v1/services", FakeRender._find),
    ("GET", _SERVICE, FakeRender._service),
    ("PATCH", _SERVICE, FakeRender._update),
    ("GET", f"{_SERVICE}/deploys", FakeRender._list_deploys),
    ("POST", f"{_SERVICE}/deploys", FakeRender._deploy_again),
    ("GET", f"{_SERVICE}/deploys/([^/]+)", FakeRender._deploy),
    ("POST", f"{_SERVICE}/rollback", FakeRender._roll_back),
    ("POST", f"{_SERVICE}/restart", FakeRender._restart),
    ("GET", f"{_SERVICE}/instances", FakeRender._list_instances),
    ("GET", f"{_SERVICE}/events", FakeRender._list_events),
    ("GET", f"{_SERVICE}/env-vars", FakeRender._list_variables),
    ("PUT", f"{_SERVICE}/env-vars/([^/]+)", FakeRender._set_variable),
    ("GET", "/v1/logs", FakeRender._logs),
    ("GET", "/v1/metrics/([a-z-]+)", FakeRender._metric),
]


# The fixtures of every test of Render, which its modules name.


@pytest.fixture
def world():
    """Render's state; in the end, the published document has allowed all that was sent and answered."""
    state = FakeRender()
    yield state
    assert state.wrong == []


@pytest.fixture
def server(fake, world):
    """The local service, with its faults and its memory of what was asked."""
    return fake(world)


@pytest.fixture
def render(server, patience):
    """The client of that service."""
    with Caller(render_service(Secret(TOKEN), base_url=f"{server.url}/v1"), patience) as caller:
        yield Render(caller)


@pytest.fixture
def web(world):
    """The id of a web service with two instances."""
    return world.add()

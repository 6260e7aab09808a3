"""Prometheus as it answers: series, rules, alerts and targets that change together when a target goes down."""

import math
from datetime import UTC, datetime, timedelta
from functools import cache

from .published import FOLDER, published

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MOST_POINTS = 11_000
NEVER = "0001-01-01T00:00:00Z"
_REFUSED = {
    "up(": (400, "bad_data", 'invalid parameter "query": parse error: unclosed left parenthesis'),
    "up + on() up": (422, "execution", "found duplicate series for the match group {}"),
    "slow": (503, "timeout", "query timed out in expression evaluation"),
}
_HISTOGRAM = {"count": "60", "sum": "120", "buckets": [[0, "1", "2", "60"]]}
_SPECIAL = {
    "1": lambda at: ("scalar", [at, "1"]),
    '"text"': lambda at: ("string", [at, "text"]),
    "histogram": lambda at: (
        "vector",
        [{"metric": {}, "histogram": [at, _HISTOGRAM]}, {"metric": {"le": "1"}, "value": [at, "60"]}],
    ),
}


def mend(document):
    """A string's result is a pair of the time, a number, and the text, as all values are; the schema has two texts."""
    for each in document["components"]["schemas"]["QueryData"]["anyOf"]:
        if each["properties"]["resultType"]["enum"] == ["string"]:
            each["properties"]["result"]["items"] = {"oneOf": [{"type": "number"}, {"type": "string"}]}


@cache
def document():
    """The published document; None where it is not here."""
    return published("prometheus.yaml", patch=mend) if (FOLDER / "prometheus.yaml").is_file() else None


def stamp(at):
    """As Go writes it, with nine digits behind the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


def text(number):
    """As Go writes it."""
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(number, "NaN" if math.isnan(number) else repr(number))


class FakePrometheus:
    """Answers `queries` (expression to labels and value); `answers` are all (method, path, status, document)."""

    def __init__(self):
        self.queries = {"up": [({"__name__": "up", "job": "api"}, 1.0), ({"__name__": "up", "job": "db"}, 1.0)]}
        self.groups, self.answers, self.problems = [("tenants", 2), ("database", 1)], [], []
        self.down, self.has_dropped_counts, self.pages = set(), True, True

    def answer(self, asked):
        path = asked.path.removeprefix("/api/v1")
        try:
            assert asked.method == "GET", "reading changes nothing"
            if document():
                document().check_request(asked, path)
            status, body = self._asked(path, dict(asked.query), asked.query)
        except AssertionError as problem:
            self.problems.append(str(problem))
            status, body = self._refused(400, "bad_data", str(problem))
        self.answers.append((asked.method, path, status, body))
        return status, body

    def _asked(self, path, given, query):
        match path:
            case "/query":
                return self._query(given)
            case "/query_range":
                return self._range(given)
            case "/rules":
                return self._rules(given, [value for name, value in query if name == "rule_group[]"])
            case "/alerts":
                return self._good({"alerts": [self._alert(job) for job in sorted(self.down)]})
            case "/targets":
                return self._targets(given)
            case "/status/buildinfo":
                names = {"branch": "HEAD", "buildUser": "root@x", "buildDate": "20290101-00:00:00", "goVersion": "go1.27"}
                return self._good({"version": "3.11.0", "revision": "abcdef", **names})
        raise AssertionError(f"{path} is not asked for")

    @staticmethod
    def _good(data, **more):
        return 200, {"status": "success", "data": data, **more}

    @staticmethod
    def _refused(status, kind, said):
        return status, {"status": "error", "errorType": kind, "error": said}

    def _query(self, given):
        at = float(given.get("time", NOW.timestamp()))
        if given["query"] in _REFUSED:
            return self._refused(*_REFUSED[given["query"]])
        if given["query"] in _SPECIAL:
            kind, result = _SPECIAL[given["query"]](at)
            return self._good({"resultType": kind, "result": result})
        if given["query"] == "up[1m]":
            rows = [{"metric": labels, "values": [[at - 15, text(value)], [at, text(value)]]} for labels, value in self._now()]
            return self._good({"resultType": "matrix", "result": rows})
        rows = [{"metric": labels, "value": [at, text(value)]} for labels, value in self._now(given["query"])]
        return self._limited("vector", rows, given)

    def _now(self, query="up"):
        return [
            (labels, 0.0 if query == "up" and labels.get("job") in self.down else value)
            for labels, value in self.queries.get(query, [])
        ]

    def _range(self, given):
        start, end, step = (float(given[name]) for name in ("start", "end", "step"))
        assert end >= start, "end timestamp must not be before start time"
        assert step > 0, "zero or negative query resolution step widths are not accepted"
        count = math.floor((end - start) / step) + 1
        assert count <= MOST_POINTS, "exceeded maximum resolution of 11,000 points per timeseries"
        times = [start + number * step for number in range(count)]
        rows = [{"metric": labels, "values": [[at, text(value)] for at in times]} for labels, value in self._now(given["query"])]
        return self._limited("matrix", rows, given)

    def _limited(self, kind, rows, given):
        limit = int(given.get("limit", 0)) or len(rows)
        warnings = {"warnings": ["results truncated due to limit"]} if len(rows) > limit else {}
        return self._good({"resultType": kind, "result": rows[:limit]}, **warnings)

    def _rules(self, given, names):
        """Give groups by pages; an older server knows no pages and gives all."""
        groups = [(name, count) for name, count in self.groups if not names or name in names]
        limit = int(given.get("group_limit", 0)) if self.pages else 0
        first = int(given.get("group_next_token", "0"))
        page = groups[first : first + limit] if limit else groups
        more = {"groupNextToken": str(first + limit)} if limit and first + limit < len(groups) else {}
        assert given.get("type") in {"alert", "record", None}
        return self._good({"groups": [self._group(name, count) for name, count in page], **more})

    def _group(self, name, count):
        alerts = [self._alert(job) for job in sorted(self.down)]
        rule = {
            "state": "firing" if alerts else "inactive",
            "name": "TargetDown",
            "query": "up == 0",
            "duration": 60,
            "labels": {"severity": "critical"},
            "annotations": {},
            "alerts": alerts,
            "health": "ok",
            "evaluationTime": 0.001,
            "lastEvaluation": stamp(NOW),
            "type": "alerting",
            "brand_new_field": [],
        }
        times = {"interval": 30, "limit": 0, "evaluationTime": 0.002, "lastEvaluation": stamp(NOW)}
        return {"name": name, "file": f"/etc/{name}.yml", "rules": [rule] * count, **times}

    @staticmethod
    def _alert(job):
        return {
            "labels": {"alertname": "TargetDown", "job": job},
            "annotations": {"summary": f"{job} is down"},
            "state": "firing",
            "activeAt": stamp(NOW - timedelta(minutes=5)),
            "value": "0e+00",
        }

    def _targets(self, given):
        assert given.get("state") == "active"
        active = [self._target(labels["job"]) for labels, _ in self.queries["up"]]
        # Servers before the counts were added leave them out; newer ones may give null.
        counts = {"api": 3, "db": 1} if self.has_dropped_counts else None
        return self._good({"activeTargets": active, "droppedTargets": [], "droppedTargetCounts": counts})

    def _target(self, job):
        url = f"http://{job}:9090/metrics?key=scrape-secret"
        return {
            "discoveredLabels": {"__address__": f"{job}:9090", "__param_key": "scrape-secret"},
            "labels": {"job": job, "instance": f"{job}:9090"},
            "scrapePool": job,
            "scrapeUrl": url,
            "globalUrl": url,
            "lastError": f'Get "{url}": dial tcp: connection refused' if job in self.down else "",
            "lastScrape": stamp(NOW - timedelta(seconds=10)) if job != "new" else NEVER,
            "lastScrapeDuration": 0.01,
            "health": "down" if job in self.down else "up" if job != "new" else "unknown",
            "scrapeInterval": "15s",
            "scrapeTimeout": "10s",
        }

"""A Sentry organisation on loopback: events that make issues, releases with deploys and sessions, keys; one project and a noisy neighbour."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from urllib.parse import unquote

from .published import FOLDER, published

TOKEN = "sntrys_only_for_this_test"
NOW = 1_893_456_130
"""2030-01-01 00:02:10, in seconds: the current bucket of any interval is not over."""
ORGANIZATION = "/api/0/organizations/acme"
PROJECT = "/api/0/projects/acme/shop"
KNOWN = (
    ("GET", ORGANIZATION + r"/events-timeseries/"),
    ("GET", ORGANIZATION + r"/issues/"),
    ("GET", ORGANIZATION + r"/releases/"),
    ("GET", ORGANIZATION + r"/releases/([^/]+)/"),
    ("GET", ORGANIZATION + r"/sessions/"),
    ("GET", ORGANIZATION + r"/events/"),
    ("GET", PROJECT + r"/stats/"),
    ("GET", PROJECT + r"/keys/"),
)
IDS = {"shop": "shop", "4501": "shop", "other": "other", "4502": "other"}
EMPTY = (
    *("shareId", "culprit", "logger", "platform", "priority", "priorityLockedAt", "seerFixabilityScore"),
    *("seerAutofixLastTriggered", "seerExplorerAutofixLastTriggered", "assignedTo", "subscriptionDetails", "filtered"),
    *("matchingEventId", "matchingEventEnvironment"),
)
"""What an issue has and may be null."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@cache
def document():
    """The published document, read once; None where it is not there."""
    return published("sentry.json") if (FOLDER / "sentry.json").is_file() else None


@dataclass(frozen=True)
class Event:
    """One error, so many seconds ago."""

    ago: int
    title: str
    release: str
    user: str
    project: str


class FakeSentry:
    """What the organisation holds, and `refused`: what it was asked, or answered, that the published document does not allow."""

    def __init__(self):
        self.events, self.resolved, self.versions, self.sessions, self.keys = [], set(), {}, {}, []
        self.problems, self.document = [], document()

    def capture(self, title, ago=600, *, release="shop@1", times=1, user="u1", project="shop"):
        self.events += [Event(ago, title, release, user, project)] * times

    def release(self, version, ago, *, deployed=False, sessions=0, crashed=0):
        deploy = {"id": "1", "environment": "production", "dateFinished": iso(NOW - ago + 60), "name": "", "url": None}
        self.versions[version] = (ago, deploy if deployed else None)
        self.sessions[version] = (sessions, crashed)

    def answer(self, asked):
        """Check the request, answer, and check the answer."""
        try:
            self._check(asked)
        except AssertionError as fault:
            self.problems.append(str(fault))
            return 400, {"detail": str(fault)}
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"detail": "Invalid token"}
        status, body, *headers = self._acted(asked)
        try:
            # Of refusals the document tells the status only.
            if self.document and status < 400:
                self.document.check_answer(asked.method, asked.path, status, body)
        except AssertionError as fault:
            self.problems.append(str(fault))
        return status, body, *headers

    def _check(self, asked):
        assert asked.path.endswith("/"), f"{asked.path} does not end with a slash"
        assert asked.method == "GET", f"{asked.method} is not what this organisation is for"
        assert "project" in dict(asked.query) or asked.path.startswith("/api/0/projects/"), (
            f"{asked.path} is asked of all projects"
        )
        assert int(dict(asked.query).get("per_page", 100)) <= 100, f"{asked.path} is asked for too much at once"
        if self.document:
            self.document.check_request(asked)

    def _acted(self, asked):
        query = dict(asked.query)
        doing = dict(
            zip(
                KNOWN,
                (
                    lambda: self._timeseries(query),
                    lambda: self._paged(self._issues(query), query, asked, "limit"),
                    lambda: self._paged([self._release(each, query) for each in self._newest()], query, asked, "per_page"),
                    partial(self._one_release, query=query),
                    lambda: self._sessions(asked.query),
                    lambda: self._table(query),
                    lambda: self._stats(query),
                    lambda: self._paged(self._keys(query.get("status")), query, asked, "per_page"),
                ),
                strict=True,
            )
        )
        for (verb, form), act in doing.items():
            if asked.method == verb and (found := re.fullmatch(form, asked.path)):
                return act(*map(unquote, found.groups()))
        return 404, {"detail": "The requested resource does not exist"}

    @staticmethod
    def _period(query):
        number, unit = re.fullmatch(r"(\d+)([smhdw])", query["statsPeriod"]).groups()
        return int(number) * UNITS[unit]

    def _of(self, query, ago=0):
        """Events of the project within the period, or as long before."""
        project, period = IDS[query["project"]], self._period(query)
        return [each for each in self.events if each.project == project and ago <= each.ago < period + ago]

    @staticmethod
    def _paged(rows, query, asked, size):
        start = int(query.get("cursor", "0:0:0").split(":")[1])
        most = int(query.get(size, 100))
        links = []
        for name, at, more in (("previous", max(0, start - most), start > 0), ("next", start + most, start + most < len(rows))):
            # Another host, with a comma in its query: who follows it instead of taking the cursor loses the token.
            url = f"https://elsewhere.example.com{asked.path}?a=1,2&cursor=0:{at}:{int(name == 'previous')}"
            links.append(f'<{url}>; rel="{name}"; results="{str(more).lower()}"; cursor="0:{at}:{int(name == "previous")}"')
        return 200, rows[start : start + most], {"Link": ", ".join(links)}

    def _timeseries(self, query):
        period, wanted = self._period(query), int(query.get("interval", 0))
        interval = wanted if 0 < wanted < period else 300
        delta = int(query.get("comparisonDelta", 0))
        first = (NOW - period) // interval * interval
        values = []
        for at in range(first, NOW, interval):
            bucket = {"timestamp": at * 1000, "value": self._within(query, at, interval), "incomplete": at + interval > NOW}
            if delta:
                bucket["comparisonValue"] = self._within(query, at - delta, interval)
            if bucket["incomplete"]:
                bucket["incompleteReason"] = "INCOMPLETE_BUCKET"
            values.append(bucket)
        meta = {"valueUnit": None, "valueType": "integer", "interval": interval * 1000}
        ends = {"dataset": query["dataset"], "start": first * 1000, "end": NOW * 1000}
        return 200, {"timeSeries": [{"values": values, "yAxis": query["yAxis"], "meta": meta}], "meta": ends}

    def _within(self, query, at, interval):
        project = IDS[query["project"]]
        return sum(1 for each in self.events if each.project == project and at <= NOW - each.ago < at + interval)

    def _stats(self, query):
        since, until = int(query["since"]) // 3600 * 3600, int(query["until"])
        return 200, [[at, self._within({"project": "shop"}, at, 3600)] for at in range(since, until, 3600)]

    def _issues(self, query):
        terms = dict(re.findall(r'(\w+):("(?:[^"\\]|\\.)*"|\S+)', query.get("query", "is:unresolved")))
        terms = {name: re.sub(r"\\(.)", r"\1", term.strip('"')) if term[0] == '"' else term for name, term in terms.items()}
        groups = {}
        for each in self._of(query):
            groups.setdefault(each.title, []).append(each)
        rows = []
        for number, (title, events) in enumerate(sorted(groups.items()), 1):
            first = max(events, key=lambda each: each.ago)
            if title in self.resolved and terms.get("is") == "unresolved":
                continue
            if "firstRelease" in terms and first.release != terms["firstRelease"]:
                continue
            if "release" in terms and terms["release"] not in {each.release for each in events}:
                continue
            rows.append(self._issue(number, title, events))
        return sorted(rows, key=lambda row: -int(row["count"])) if query.get("sort") == "freq" else rows

    def _issue(self, number, title, events):
        first, last = max(each.ago for each in events), min(each.ago for each in events)
        seen = {"firstSeen": iso(NOW - first), "lastSeen": iso(NOW - last)}
        counted = {"count": str(len(events)), "userCount": len({each.user for each in events}), **seen}
        empty = dict.fromkeys(EMPTY)
        no = dict.fromkeys(
            ("isPublic", "isBookmarked", "isSubscribed", "hasSeen", "isUnhandled", "latestEventHasAttachments"), False
        )
        derived = dict.fromkeys(("blocker", "progress", "status", "lastCompletedAutofixStep"), "")
        derived |= {"viewCount": 0, "hasOpenFixPr": False, "isAssigned": False, "hasRootCause": False, "lastProgressedAt": None}
        return {
            **empty,
            **no,
            **counted,
            "id": str(number),
            "shortId": f"SHOP-{number}",
            "title": title,
            "permalink": f"https://acme.sentry.io/issues/{number}/",
            "level": "error",
            "status": "resolved" if title in self.resolved else "unresolved",
            "statusDetails": {},
            "substatus": None if title in self.resolved else "new",
            "project": {"id": "4501", "name": "Shop", "slug": "shop", "platform": "node"},
            "type": "error",
            "issueType": "error",
            "issueCategory": "error",
            "metadata": {"value": title},
            "numComments": 0,
            "annotations": [],
            "derivedData": derived,
            "stats": {},
            "lifetime": counted,
            "sessionCount": 0,
            "inbox": {"reason": 0, "reason_details": None, "date_added": iso(NOW)},
            "owners": {"type": "ownershipRule", "owner": "team:1", "date_added": iso(NOW)},
            "integrationIssues": [],
            "sentryAppIssues": [],
        }

    def _newest(self):
        return sorted(self.versions, key=lambda version: self.versions[version][0])

    def _new(self, version, project):
        firsts = {}
        for each in sorted(self.events, key=lambda each: -each.ago):
            firsts.setdefault((each.project, each.title), each)
        return sum(1 for each in firsts.values() if each.release == version and each.project in project)

    def _release(self, version, query):
        ago, deploy = self.versions[version]
        total, crashed = self.sessions[version]
        parts = [self._part(number, slug, version) for number, slug in ((4502, "other"), (4501, "shop"))]
        if query.get("health") == "true" and total:
            counts = {"sessionsCrashed": crashed, "sessionsErrored": crashed, "hasHealthData": True, "stats": {}}
            # Here the share is of a hundred; among sessions it is of one.
            parts[1]["healthData"] = {"crashFreeSessions": 100 * (1 - crashed / total), "totalSessions": total, **counts}
        return {
            "id": 1,
            "version": version,
            "newGroups": self._new(version, ("shop", "other")),
            "status": "open",
            "shortVersion": version,
            "versionInfo": None,
            "data": {},
            "commitCount": 0,
            "deployCount": int(deploy is not None),
            "authors": [],
            "projects": parts,
            "dateCreated": iso(NOW - ago),
            "lastDeploy": deploy,
        }

    def _part(self, number, slug, version):
        named = {"id": number, "slug": slug, "name": slug.title(), "platform": None, "platforms": []}
        return named | {"hasHealthData": False, "newGroups": self._new(version, (slug,))}

    def _one_release(self, version, query):
        return (200, self._release(version, query)) if version in self.versions else (404, {"detail": "Release not found"})

    def _sessions(self, pairs):
        fields = [value for name, value in pairs if name == "field"]
        groups = []
        for version, (total, crashed) in self.sessions.items():
            figures = {"sum(session)": total, "crash_free_rate(session)": 1 - crashed / total if total else None}
            groups.append({"by": {"release": version}, "totals": {name: figures[name] for name in fields}, "series": {}})
        return 200, {"start": iso(NOW - 86400), "end": iso(NOW), "intervals": [iso(NOW - 86400)], "groups": groups, "query": ""}

    def _table(self, query):
        counts = {}
        for each in self._of(query):
            counts[each.title] = counts.get(each.title, 0) + 1
        rows = [{"title": title, "count()": count} for title, count in counts.items()]
        rows.sort(key=lambda row: row["count()"], reverse=query.get("sort") == "-count()")
        meta = {"fields": {"title": "string", "count()": "integer"}, "units": {"title": None, "count()": None}}
        return 200, {"data": rows[: int(query.get("per_page", 100))], "meta": meta}

    def _keys(self, status):
        # A word that is neither of the two filters nothing.
        wanted = {"active": True, "inactive": False}.get(status)
        return [key for key in self.keys if wanted is None or key["isActive"] is wanted]

    def add_key(self, number, *, is_active=True, limit=None):
        public, secret = f"public{number}", f"nobody-may-see-{number}"
        host = "o1.ingest.sentry.io/4501"
        names = (
            "csp",
            "security",
            "minidump",
            "nel",
            "unreal",
            "crons",
            "cdn",
            "playstation",
            "integration",
            "otlp_traces",
            "otlp_logs",
        )
        dsn = {"secret": f"https://{public}:{secret}@{host}", "public": f"https://{public}@{host}"}
        options = dict.fromkeys(("hasReplay", "hasPerformance", "hasDebug", "hasFeedback", "hasLogsAndMetrics"), False)
        self.keys.append(
            {
                "id": f"key{number}",
                "name": "Default",
                "label": "Default",
                "public": public,
                "secret": secret,
                "projectId": 4501,
                "isActive": is_active,
                "rateLimit": limit,
                "dsn": dsn | {name: f"https://{host}/{name}/?sentry_key={public}" for name in names},
                "browserSdkVersion": "8.x",
                "browserSdk": {"choices": [["8.x", "8.x"]]},
                "dateCreated": iso(NOW),
                "dynamicSdkLoaderOptions": options,
            }
        )

"""One request of an audit and its answer, looked through for other tenants' secrets."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from urllib.parse import quote

from capliquify_ops.http_client import Client, Repeater, Response, Wire
from capliquify_ops.isolation.addressing import FORM, Addressing
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.documents import document_of
from capliquify_ops.isolation.pace import Pace
from capliquify_ops.isolation.people import Person, Wallet
from capliquify_ops.isolation.probe import CannotTell, Expectation, Probe
from capliquify_ops.isolation.sensor import Sighting, sightings
from capliquify_ops.model.errors import TargetUnreachable

RUN_HEADER = "X-Audit-Run"
READS = frozenset({"GET", "HEAD"})
NEEDS_WRITES = "needs a target that may be written to"
TOO_MANY = 429
LONGEST_WAIT_S = 5.0
"""A longer Retry-After is not sat out: the check is inconclusive instead."""
ATTEMPTS = 3
UNWELL = frozenset({502, 503, 504})
"""The service, or what stands before it, cannot answer now: that says nothing about what it would have answered."""


class Usual(Enum):
    """Stands for what a person normally sends."""

    USUAL = "usual"


USUAL = Usual.USUAL


@dataclass(frozen=True, slots=True)
class Call:
    """One request to make. `token` and `organization` replace what the person would send; None leaves the header out.

    `may_be_busy`: 502, 503 and 504 are answers to look at, since more is sent at once than the service must serve.
    `content` is a body that need not be JSON, in place of `json`.
    """

    method: str
    path: str
    who: Person | None = None
    token: str | Usual | None = USUAL
    organization: str | Usual | None = USUAL
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    json: object = None
    shown: str = ""
    may_be_busy: bool = False
    content: bytes | None = None

    def sent_organization(self) -> str | None:
        """Return the organisation header's value, None without one."""
        if isinstance(self.organization, Usual):
            return self.who.organization_id if self.who else None
        return self.organization

    def line(self) -> str:
        """Return the request for a report: no token, no body."""
        who = self.who.name if self.who else "nobody"
        organization = self.sent_organization()
        where = "without organisation" if organization is None else f"for organisation {organization!r}"
        return f"{self.method} {self.path} as {who} {where}{self.shown}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its answer: which own secrets it holds, and which of other tenants."""

    call: Call
    response: Response
    own: frozenset[str]
    foreign: tuple[Sighting, ...]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status

    @property
    def is_success(self) -> bool:
        """Whether it was answered 2xx with a document: a page of HTML with status 200 is no success of an API."""
        return self.status // 100 == 2 and (self.status == 204 or self.document is not None)  # noqa: PLR2004 -- 2xx, No Content

    @property
    def document(self) -> object:
        """What the body says in JSON, XML or CSV, None where it is something else."""
        return document_of(self.response.body, self.response.headers.get("content-type", ""))

    @property
    def data(self) -> object:
        """What the body carries: the member `data` of an envelope, else the whole document."""
        document = self.document
        return document["data"] if isinstance(document, dict) and "data" in document else document

    @property
    def code(self) -> str:
        """The error code of the body, "" without one."""
        document = self.document
        error = document.get("error", document.get("code")) if isinstance(document, dict) else None
        error = error.get("code") if isinstance(error, dict) else error
        return error if isinstance(error, str) else ""

    def probe(
        self,
        name: str,
        expected: Expectation,
        *,
        needs: str = "",
        problem: str = "",
        is_control: bool = False,
        is_change: bool = False,
    ) -> Probe:
        """Return this exchange as a judged row."""
        return Probe(
            name, self.call.line(), expected, self.status, self.code, self.foreign, problem, is_change, is_control, needs
        )


class Caller:
    """Sends the requests of an audit: at its pace, marked with its run, each answer looked through."""

    def __init__(
        self, client: Client, wallet: Wallet, pace: Pace, addressing: Addressing, run: str, *, sleep: Callable[[float], None]
    ) -> None:
        self.client = client
        self.wallet = wallet
        self.canaries: list[Canary] = []
        self._pace = pace
        self.addressing = addressing
        self._run = run
        self._sleep = sleep
        self._spent: set[str] = set()
        self.is_read_only = False

    def send(self, call: Call) -> Exchange:
        """Send one request, again when told to slow down. Raises TargetUnreachable, IntegrationFailed, CannotTell."""
        self._admit(call)
        for _ in range(ATTEMPTS):
            self._pace.wait(call.who.tenant if call.who else "")
            response = self._request(call)
            if response.status in UNWELL and not call.may_be_busy:
                raise CannotTell(f"{call.line()} was answered {response.status}: the service could not answer then.")
            if response.status != TOO_MANY:
                return self.read(call, response)
            self._sleep(_retry_after(response))
        raise CannotTell(f"{call.line()} was answered 429 {ATTEMPTS} times.", hint="Raise the limit or wait, then run it again.")

    def send_at_once(self, call: Call) -> Exchange:
        """Send one request without waiting for the audit's pace; 429 is an answer as well. Raises TargetUnreachable."""
        self._admit(call)
        return self.read(call, self._request(call))

    def repeater(self, call: Call) -> Repeater:
        """Return what sends one read again and again, without the audit's pace and without looking its answers through."""
        return Repeater(self.client.base_url, self._target(call), self._headers(call))

    def listen(self, call: Call, is_enough: Callable[[bytes], bool], seconds: float) -> Exchange:
        """Read a stream until `is_enough(body)` or so many seconds are over, and look through what came by then."""
        self._admit(call)
        return self.read(
            call, self.client.read_until(self._target(call), is_enough, headers=self._headers(call), seconds=seconds)
        )

    def pause(self, seconds: float) -> None:
        """Wait between two questions for something that takes time, such as a token's end."""
        self._sleep(seconds)

    def _request(self, call: Call) -> Response:
        """Send once; a read again when the connection was lost, since servers may close a kept one at any moment."""
        headers, target = self._headers(call), self._target(call)
        json_body, content = self._body(call)
        try:
            return self.client.request(call.method, target, json=json_body, content=content, headers=headers)
        except TargetUnreachable:
            if call.method != "GET":
                raise
            return self.client.request(call.method, target, json=json_body, content=content, headers=headers)

    def _body(self, call: Call) -> tuple[object, bytes | None]:
        form = self.addressing.form_of(call.json) if call.content is None else None
        return (call.json, call.content) if form is None else (None, form)

    def _target(self, call: Call) -> str:
        return self.addressing.target(call.path, call.sent_organization())

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {RUN_HEADER: self._run}
        token = call.token
        if isinstance(token, Usual):
            token = self.wallet.token(call.who) if call.who else None
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        headers |= self.addressing.headers(call.sent_organization())
        if call.content is None and self.addressing.form_of(call.json) is not None:
            headers["Content-Type"] = FORM
        return {name: sendable(value) for name, value in (headers | dict(call.headers)).items()}

    def wire(self, call: Call, *, is_slow: bool = False) -> Wire:
        """Return a request on a connection of its own, of which nothing is sent yet. Raises TargetUnreachable."""
        self._admit(call)
        self._pace.wait(call.who.tenant if call.who else "")
        headers, (json_body, content) = self._headers(call), self._body(call)
        where, target = self.client.base_url, self._target(call)
        return Wire(where, call.method, target, headers, json_body=json_body, content=content, is_slow=is_slow)

    def read(self, call: Call, response: Response) -> Exchange:
        """Look an answer through, also one that came by another way, such as a repeater."""
        mine = call.who.tenant if call.who else ""
        seen = self.seen_in(response.body, response.headers, mine)
        own = frozenset(one.label for one in seen if one.tenant == mine)
        return Exchange(call, response, own, tuple(one for one in seen if one.tenant != mine))

    def seen_in(self, content: bytes, headers: Mapping[str, str], mine: str) -> tuple[Sighting, ...]:
        """Return the secrets in what somebody of a tenant gets: the own ones, and others' that nobody else has sent."""
        wanted = [one for one in self.canaries if one.tenant == mine or one.token not in self._spent]
        return sightings(wanted, content, headers)

    def is_spent(self, token: str) -> bool:
        """Whether an address of one tenant was sent by somebody of another, so that what it is met in proves nothing."""
        return token in self._spent

    def _admit(self, call: Call) -> None:
        """Refuse what may not be sent here, and note which ids it makes known. Raises CannotTell."""
        if self.is_read_only and call.method not in READS:
            raise CannotTell(f"{call.line()} was not sent: it {NEEDS_WRITES}.")
        self._spend(call)

    def _spend(self, call: Call) -> None:
        """From now on an id that somebody else sends proves nothing: answers and audit logs may repeat it."""
        mine = call.who.tenant if call.who else ""
        sent = _sent(call)
        self._spent |= {one.token for one in self.canaries if one.is_address and one.tenant != mine and one.token in sent}


def sendable(value: str) -> str:
    """Return a text as a header can carry it: what is not printable ASCII (a schema name in another script) is URL-encoded."""
    return "".join(one if " " <= one <= "~" else quote(one) for one in value).strip()


def _sent(call: Call) -> str:
    body = json.dumps(call.json) if call.content is None else call.content.decode("latin-1")
    return " ".join((call.path, body, *call.headers.values(), call.sent_organization() or "")).lower()


def _retry_after(response: Response) -> float:
    said = response.headers.get("retry-after", "1")
    seconds = float(said) if said.isascii() and said.isdigit() else 1.0
    if seconds > LONGEST_WAIT_S:
        raise CannotTell(f"The service asks to wait for {seconds:g} s (Retry-After).", hint="Run it again later.")
    return seconds


def objects(value: object) -> Iterator[Mapping[str, object]]:
    """Yield each JSON object that has an id, at any depth."""
    if isinstance(value, Mapping):
        if "id" in value:
            yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for inner in value:
            yield from objects(inner)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield path and value of each leaf of a JSON document."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value

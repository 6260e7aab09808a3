"""How a request chooses its tenant, by a header, the name of the host, how its path begins, or several; and how it is written."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self
from urllib.parse import quote, urlencode

from capliquify_ops.configuration import Profile

FORM = "application/x-www-form-urlencoded"
SHARED_KINDS = ("public", "platform")
_HOST_HEADERS = ("X-Forwarded-Host", "X-Host", "X-Original-Host", "X-Forwarded-Server")
_PATH_HEADERS = ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Path")
_PREFIX_HEADERS = ("X-Forwarded-Prefix", "X-Script-Name")


class Named(Protocol):
    """What a tenant is called."""

    @property
    def slug(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def schema_name(self) -> str: ...


@dataclass(slots=True)
class Addressing:
    """What names the tenant of a request. `host` and `path` are templates, "" where they name none.

    Organisations are turned into what a template names tenants by (a slug, say); a text that is none stays as it is, so that
    whatever is tried as an organisation is tried in the host and in the path as well. `tenants` are those of the audit.
    """

    header: str = ""
    host: str = ""
    path: str = ""
    shared: tuple[re.Pattern[str], ...] = ()
    is_form: bool = False
    tenants: Mapping[str, Named] = field(default_factory=dict)
    _known: dict[str, Named] = field(default_factory=dict)

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Return what a profile says. Routes that are no tenant's, and the document of routes, have no tenant in their path."""
        paths = [route.path for route in profile.routes.values() if route.kind in SHARED_KINDS]
        patterns = (re.escape(path).replace(r"\{id\}", "[^/]+") for path in filter(None, [*paths, profile.openapi]))
        shared = tuple(re.compile(one) for one in patterns)
        return cls(profile.organization_header, profile.tenant_host, profile.tenant_path, shared, is_form=profile.body == "form")

    def headers(self, organization: str | None) -> dict[str, str]:
        """Return the headers that choose a tenant: None and, for a host, the empty text choose none."""
        if organization is None:
            return {}
        chosen = {self.header: organization} if self.header else {}
        return chosen | ({"Host": self.host_of(organization)} if self.host and organization else {})

    def target(self, path: str, organization: str | None) -> str:
        """Return the path as it is sent."""
        bare = path.partition("?")[0]
        if not self.path or not organization or any(one.fullmatch(bare) for one in self.shared):
            return path
        return self._prefix(organization) + path

    def form_of(self, content: object) -> bytes | None:
        """Return a body as the service takes it, None where it is to be sent as JSON: always where it is no mapping."""
        if not self.is_form or not isinstance(content, Mapping):
            return None
        values = {
            name: "" if value is None else value if isinstance(value, str) else json.dumps(value)
            for name, value in content.items()
        }
        return urlencode(values, errors="surrogatepass").encode()

    def host_of(self, organization: str) -> str:
        """Return the name of the host for an organisation."""
        return self._filled(self.host, organization, safe=True)

    def contradictions(self, own: str, other: str) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Yield requests whose header, host and path name different tenants: what it is, the organisation, the headers for it."""
        kinds = [kind for kind in ("path", "header", "host") if getattr(self, kind)]
        for chosen in itertools.product((own, other), repeat=len(kinds)):
            by_kind = dict(zip(kinds, chosen, strict=True))
            if len(set(chosen)) > 1:
                headers = {self.header: by_kind["header"]} if "header" in by_kind else {}
                headers |= {"Host": self.host_of(by_kind["host"])} if "host" in by_kind else {}
                what = ", ".join(f"{'own' if one == own else 'other'} {kind}" for kind, one in by_kind.items())
                yield what, by_kind.get("path", own), headers

    def imitations(self, path: str, organization: str) -> Iterator[dict[str, str]]:
        """Yield headers with which a proxy would say that another host or path was asked for."""
        if self.host:
            host = self.host_of(organization)
            yield from ({name: host} for name in _HOST_HEADERS)
            yield {"Forwarded": f"host={host}"}
        if self.path:
            prefix = self._prefix(organization)
            yield from ({name: prefix + path} for name in _PATH_HEADERS)
            yield from ({name: prefix} for name in _PREFIX_HEADERS)

    def _prefix(self, organization: str) -> str:
        return self._filled(self.path, organization, safe=False)

    def _filled(self, template: str, organization: str, *, safe: bool) -> str:
        named = {what: self._named(organization, what) for what in ("slug", "organization_id", "id", "schema_name")}
        values = {what: text if safe else quote(text, safe="") for what, text in named.items()}
        return template.format(
            slug=values["slug"], organization=values["organization_id"], id=values["id"], schema=values["schema_name"]
        )

    def _named(self, text: str, what: str) -> str:
        """Return a text with each organisation in it, the longest first, called by its tenant's name of that kind."""
        self._known |= {tenant.organization_id: tenant for tenant in list(self.tenants.values())}
        for organization in sorted(self._known, key=len, reverse=True):
            name = str(getattr(self._known[organization], what))
            text = text.replace(organization, name).replace(organization.upper(), name.upper())
        return text

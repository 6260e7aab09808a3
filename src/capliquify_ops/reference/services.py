"""The HTTP half of a stack: the identity process and the reference service, each on a port that is held for it first."""

import json
import sys
from collections.abc import Mapping

from capliquify_ops.http_client import Client
from capliquify_ops.model.errors import OpsError
from capliquify_ops.reference import credentials, keys, ports
from capliquify_ops.reference.processes import Family, Member, wait_until
from capliquify_ops.reference.run_folder import RunFolder
from capliquify_ops.reference.stack_protocol import Options
from capliquify_ops.reference.token_settings import FILE, TokenSettings

_READY_S = 60.0
_ASK_S = 5.0
_OK = 200
_ISSUER = "https://identity.embedded.invalid"
_AUTHORIZED_PARTY = "https://app.embedded.invalid"
_PACKAGE = "capliquify_ops.reference.service"
Values = Mapping[str, str | int | float]


class Services:
    """Two ports held, and the processes that listen on them. Raises UsageError at once when the wanted port is in use."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._service = ports.hold(options.port)
        self._identity = ports.hold(0)
        self.base_url = f"http://{ports.HOST}:{self._service.getsockname()[1]}"
        self.identity_url = f"http://{ports.HOST}:{self._identity.getsockname()[1]}"
        self.instance = credentials.token()

    def start_identity(self, folder: RunFolder, family: Family) -> Member:
        """Make the keys, write what the token maker needs, and start the identity process."""
        admin = credentials.token()
        maker = TokenSettings(self.base_url, self.identity_url, _ISSUER, _AUTHORIZED_PARTY, admin)
        folder.write(FILE, maker.to_text())
        port = int(self._identity.getsockname()[1])
        values = self._common(folder) | {"port": port, "admin_token": admin}
        member = _start(folder, family, "identity", values, f"{_PACKAGE}.identity")
        keys.make(folder)
        return member

    def start_service(self, folder: RunFolder, family: Family, urls: Mapping[str, str], *, owner: str) -> Member:
        """Start the service as the app role; what a platform administrator asks for is done as the operator."""
        values = self._common(folder) | {
            "port": int(self._service.getsockname()[1]),
            "workers": self._options.workers,
            "pool_size": self._options.pool_size,
            "database_url": urls["service"],
            "listen_database_url": urls["app"],
            "platform_database_url": urls["operator"],
            "owner_role": owner,
            "issuer": _ISSUER,
            "authorized_party": _AUTHORIZED_PARTY,
            "keys_file": str(folder.path / keys.PUBLIC),
            "identity_url": self.identity_url,
            "access_log": str(folder.path / "access.log"),
            "serials": self._options.serials,
            "switches": ",".join(self._options.switches),
            "pooled": bool(self._options.pooler),
        }
        values |= self._options.service_settings
        return _start(folder, family, "service", values, _PACKAGE, *self._options.service_arguments)

    def await_answers(self, identity: Member, service: Member) -> None:
        """Wait until both answer, as the very processes that were started. Raises TargetUnreachable."""
        with Client(self.identity_url, timeout_s=_ASK_S) as client:
            wait_until(lambda: self._is_ours(client, "/health"), identity, _READY_S)
        with Client(self.base_url, timeout_s=_ASK_S) as client:
            wait_until(lambda: self._is_ours(client, "/api/health"), service, _READY_S)

    def close(self) -> None:
        """Let go of the ports."""
        self._service.close()
        self._identity.close()

    def _common(self, folder: RunFolder) -> dict[str, str | int | float]:
        return {"host": ports.HOST, "instance": self.instance, "run_folder": str(folder.path)}

    def _is_ours(self, client: Client, path: str) -> bool:
        """Another server could listen on the same port with SO_REUSEPORT: only the instance id proves which one answers."""
        try:
            answer = client.request("GET", path)
            said = answer.json()
        except OpsError:
            return False
        return answer.status == _OK and isinstance(said, dict) and said.get("instance") == self.instance


def _start(folder: RunFolder, family: Family, name: str, values: Values, module: str, *arguments: str) -> Member:
    settings = folder.write(f"{name}.settings.json", json.dumps(values))
    # -P: the folder that somebody happens to stand in is no place to import from.
    command = [sys.executable, "-P", "-m", module, "--settings", str(settings), *arguments]
    return family.spawn(name, command, folder.path / f"{name}.log")

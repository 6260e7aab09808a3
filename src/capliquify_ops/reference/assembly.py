"""The order in which an embedded stack comes up, and how it goes down whatever had been reached."""

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from capliquify_ops.reference import credentials, pooler, run_folder, target_file
from capliquify_ops.reference.credentials import Credentials
from capliquify_ops.reference.postgres import Cluster, Superuser
from capliquify_ops.reference.postgres_programs import locate
from capliquify_ops.reference.preparation import DATABASE, make_roles, prepare_database
from capliquify_ops.reference.processes import Family, Member
from capliquify_ops.reference.services import Services
from capliquify_ops.reference.stack_protocol import Description, Options

_MAINTENANCE = "postgres"
_BESIDE_THE_POOL = 4
_DECLARED: Mapping[str, str] = {
    "UNIFORM_403": "reference_uniform_403",
    "SHARED_REFERENCE": "reference_shared_reference",
    "SUSPEND_TTL": "reference_suspend_ttl",
}


class Assembly:
    """Everything that was made for one stack. `down` removes it, at whatever point `up` was left."""

    def __init__(self, options: Options, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._options = options
        self._guard = guard
        self._family = Family(guard)
        self._services: Services | None = None
        self._folder: run_folder.RunFolder | None = None
        self._cluster: Cluster | None = None

    def up(self, *, as_root: bool) -> Description:
        """Start everything and wait until it answers. Raises an OpsError that names what did not.

        While `initdb` works, the keys are made and the identity process starts; while the service starts, the product is
        installed.
        """
        services = self._services = Services(self._options) if self._options.service else None
        folder = self._made_folder(as_root=as_root)
        people = credentials.make()
        cluster = self._cluster = Cluster(folder, self._family, self._options.postgres_bin, random.SystemRandom())
        initdb = cluster.initialise(Superuser(people.superuser.role, people.superuser.password))
        members = {"identity": services.start_identity(folder, self._family)} if services else {}
        members["postgres"] = cluster.launch(initdb, self._options.postgres_settings)
        make_roles(credentials.url(folder, people.superuser, cluster.port, _MAINTENANCE), people, may_audit=bool(services))
        urls = _urls(folder, people, cluster.port)
        if services:
            through = self._pooled(folder, people, urls["app"]) if self._options.pooler else urls["app"]
            members["service"] = services.start_service(
                folder, self._family, {**urls, "service": through}, owner=people.roles.owner
            )
        options = self._options
        prepare_database(
            urls["superuser"], people.roles, product=options.product, serials=options.serials, switches=options.switches
        )
        if services:
            services.await_answers(members["identity"], members["service"])
        profile = _profile(options)
        config = target_file.write(folder, people.roles, urls, base_url=services.base_url if services else "", profile=profile)
        return _described((folder, config), people, urls, services, members)

    def down(self) -> None:
        """End every process, let go of ports and user id, remove the folder."""
        self._family.end()
        if self._services:
            self._services.close()
        if self._cluster:
            self._cluster.release()
        if self._folder:
            self._folder.remove()

    def _pooled(self, folder: run_folder.RunFolder, people: Credentials, url: str) -> str:
        assert self._cluster is not None
        options, account = self._options, self._cluster.account
        # In session mode a connection that only waits, such as the health check's, keeps its own one to the server.
        beside = _BESIDE_THE_POOL * options.workers if options.pooler == "session" else 0
        connections = options.pool_size + beside
        return pooler.start(
            folder, self._family, options.pooler, url=url, login=people.app, account=account, connections=connections
        )

    def _made_folder(self, *, as_root: bool) -> run_folder.RunFolder:
        given = self._options.base
        run_folder.sweep([given] if given else run_folder.bases())
        with self._guard():
            inside = as_root or (self._options.postgres_bin is None and run_folder.breaks_initdb(locate(None)))
            self._folder = run_folder.create(given or run_folder.choose_base(programs_inside=inside))
        return self._folder


def _profile(options: Options) -> str:
    """Name the profile that describes the service as it is started: some twins are right because they are declared."""
    declared = [name for name in options.switches if name in _DECLARED]
    return _DECLARED[declared[0]] if declared else "reference_serials" if options.serials else "reference"


def _urls(folder: run_folder.RunFolder, people: Credentials, port: int) -> Mapping[str, str]:
    names = ("superuser", "app", "observer", "operator")
    return {name: credentials.url(folder, getattr(people, name), port, DATABASE) for name in names}


def _described(
    files: tuple[run_folder.RunFolder, Path],
    people: Credentials,
    urls: Mapping[str, str],
    services: Services | None,
    members: Mapping[str, Member],
) -> Description:
    folder, config = files
    base_url = services.base_url if services else ""
    return Description(
        run_folder=folder.path,
        config=config,
        roles=people.roles,
        database_url=urls["observer"],
        operator_url=urls["operator"],
        superuser_url=urls["superuser"],
        app_url=urls["app"],
        base_url=base_url,
        metrics_url=f"{base_url}/metrics" if base_url else "",
        identity_url=services.identity_url if services else "",
        instance=services.instance if services else "",
        processes={name: member.process.pid for name, member in members.items()},
    )

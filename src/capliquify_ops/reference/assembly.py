"""The order in which an embedded stack comes up, and how it goes down whatever had been reached."""

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from capliquify_ops.reference import credentials, run_folder, target_file
from capliquify_ops.reference.credentials import Credentials
from capliquify_ops.reference.postgres import Cluster, Superuser
from capliquify_ops.reference.postgres_programs import locate
from capliquify_ops.reference.preparation import DATABASE, make_roles, prepare_database
from capliquify_ops.reference.processes import Family, Member
from capliquify_ops.reference.services import Services
from capliquify_ops.reference.stack_protocol import Description, Options

_MAINTENANCE = "postgres"


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
        make_roles(credentials.url(folder, people.superuser, cluster.port, _MAINTENANCE), people)
        urls = _urls(folder, people, cluster.port)
        if services:
            members["service"] = services.start_service(folder, self._family, urls["app"], urls["operator"], people.roles.owner)
        prepare_database(urls["superuser"], people.roles, product=self._options.product, serials=self._options.serials)
        if services:
            services.await_answers(members["identity"], members["service"])
        profile = "reference_serials" if self._options.serials else "reference"
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

    def _made_folder(self, *, as_root: bool) -> run_folder.RunFolder:
        given = self._options.base
        run_folder.sweep([given] if given else run_folder.bases())
        with self._guard():
            inside = as_root or (self._options.postgres_bin is None and run_folder.breaks_initdb(locate(None)))
            self._folder = run_folder.create(given or run_folder.choose_base(programs_inside=inside))
        return self._folder


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

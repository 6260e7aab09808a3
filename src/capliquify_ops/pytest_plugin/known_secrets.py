"""Every secret that a configuration holds, so that none is written or printed."""

from collections.abc import Iterator, Mapping

from capliquify_ops.configuration import Settings, Target
from capliquify_ops.database.dsn import secret_parts
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.secret import Secret


def known_secrets(settings: Settings, target: Target) -> Iterator[str]:
    """Yield them, of every target: a suite may let out any of them."""
    for each in (*settings.targets.values(), target):
        for url in filter(None, (each.database_url, each.operator_url)):
            yield from _parts(url)
        yield from _texts(each.identity.options.get("tokens"))
        yield from (value.reveal() for value in each.identity.options.values() if isinstance(value, Secret))


def _parts(url: Secret) -> list[str]:
    """One that cannot be read (DATABASE_URL of some other product) is masked as a whole, and no reason to stop."""
    try:
        return secret_parts(url)
    except ConfigurationInvalid:
        return [url.reveal()]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)

"""config show · check"""

from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, settings_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.configuration import Integration, Settings, Target
from capliquify_ops.database import masked
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.secret import Secret
from capliquify_ops.preflight.addresses import require_loopback


def show(config: ConfigFile = None, json: AsJson = False) -> None:
    """Print the effective configuration, where each value came from, and every secret masked."""
    settings = settings_of(config)
    shown = {
        "file": str(settings.file or ""),
        "evidence_dir": str(settings.evidence_dir),
        "origins": dict(settings.origins),
        "targets": [_shown(target) for _, target in sorted(settings.targets.items())],
        "limits": [{"key": key, "limit": limit} for key, limit in sorted(settings.limits.by_key.items())],
    }
    if json:
        document(shown)
        return
    line(f"configuration: {shown['file'] or 'none'} ({settings.origins['file']})")
    line(f"evidence: {settings.evidence_dir} ({settings.origins['evidence_dir']})")
    for target in sorted(settings.targets.values(), key=lambda target: target.name):
        line(f"target {target.name}")
        for key, value in _shown(target).items():
            if key != "name" and value:
                line(f"  {key} = {value}")
    for key, limit in sorted(settings.limits.by_key.items()):
        line(f"limit {key}: {limit.operator} {limit.value} ({limit.source})")


def check(config: ConfigFile = None, target: TargetName = None, json: AsJson = False) -> None:
    """Check the configuration without connecting anywhere."""
    settings = settings_of(config)
    chosen = _chosen(settings, target)
    for each in chosen:
        require_loopback(each.require_complete())
    if json:
        document({"valid": True, "targets": [{"name": each.name, "class": each.kind.value} for each in chosen]})
        return
    line(f"{settings.file or 'No file'}: valid; targets: {', '.join(each.name for each in chosen)}")


def _chosen(settings: Settings, name: str | None) -> list[Target]:
    return [settings.target(name, observing=True)] if name else [settings.targets[key] for key in sorted(settings.targets)]


def _shown(target: Target) -> dict[str, str]:
    return {
        "name": target.name,
        "class": target.kind.value,
        "database_url": _masked(target.database_url),
        "operator_url": _masked(target.operator_url),
        "base_url": target.base_url,
        "profile": target.profile.name,
        "prometheus_url": target.prometheus_url,
        "pooled": "true" if target.pooled else "",
        "roles": f"{target.roles.owner}, {target.roles.app}, {target.roles.observer}, {target.roles.operator}",
        "identity": target.identity.provider,
        "integrations": "; ".join(_integration(name, each) for name, each in target.integrations.items()),
        "missing": " ".join([*target.missing, *(each.missing for each in target.integrations.values() if each.missing)]),
    }


def _integration(name: str, found: Integration) -> str:
    """Show a service's options; of its secrets only that they are here."""
    given = [f"{key} {value}" for key, value in found.options.items() if value] + [
        f"{key} {found.secrets[key]}" for key in found.secrets
    ]
    return f"{name} ({', '.join(given)})" if given else name


def _masked(url: Secret | None) -> str:
    """Mask a connection string; one that cannot be read (DATABASE_URL of some other product) is masked as a whole."""
    if url is None:
        return ""
    try:
        return masked(url)
    except ConfigurationInvalid:
        return str(url)

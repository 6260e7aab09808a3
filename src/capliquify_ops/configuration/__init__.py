"""Settings, targets, profiles and limits: from environment and TOML to frozen values. The only reader of the environment."""

from capliquify_ops.configuration.limits import Limits, load_limits
from capliquify_ops.configuration.profile import Profile, Route, load_profile
from capliquify_ops.configuration.profile_registry import Registry
from capliquify_ops.configuration.settings import Settings, load_settings
from capliquify_ops.configuration.target import EMBEDDED, Identity, Integration, Target, TargetClass

__all__ = [
    "EMBEDDED",
    "Identity",
    "Integration",
    "Limits",
    "Profile",
    "Registry",
    "Route",
    "Settings",
    "Target",
    "TargetClass",
    "load_limits",
    "load_profile",
    "load_settings",
]

"""fleet structure"""

from typing import Annotated

import typer

from capliquify_ops.cli.options import ConfigFile, TargetName, target_of
from capliquify_ops.cli.output import document
from capliquify_ops.database import observer
from capliquify_ops.integrity.structure_template import template_of


def structure(
    schema: Annotated[str, typer.Argument(metavar="SCHEMA", help="The schema whose structure is printed.")],
    config: ConfigFile = None,
    target: TargetName = None,
) -> None:
    """Print a schema's structure as JSON, for `fleet check --template-file`: definitions alone, no rows, no names of tenants."""
    chosen = target_of(config, target, observing=True)
    with observer(chosen.observer_url(), "fleet structure", pooled=chosen.pooled) as session, session.transaction():
        document(template_of(session, schema))

"""Exports of two tenants at once: each file holds its own tenant's rows, all of them and no others, for nobody else."""

from collections.abc import Sequence

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.background import Work, asked_by_others, beside, ended, is_done, start
from capliquify_ops.isolation.exchange import Exchange
from capliquify_ops.isolation.probe import SUCCESS, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError

ORDERS = ("ab", "ba")


def exports(world: World, route: Route) -> Probes:
    """Both tenants export at once, in both orders; the first one's file is fetched when the second one's has been made."""
    file = beside(world, route, "export_file")
    for order in ORDERS:
        works = [start(world, key, route) for key in order]
        works += [start(world, order[0], route)]
        yield from _fetched(world, works, file)


def _fetched(world: World, works: Sequence[Work], file: Route) -> Probes:
    made: list[Work] = []
    for work in works:
        try:
            state = ended(world, work)
        except OpsError as error:
            yield untried(work.name, str(error))
            continue
        yield state.probe(f"the state of {work.name}", SUCCESS)
        if is_done(work.route, state):
            made.append(work)
        else:
            yield untried(f"the file of {work.name}", "the export did not end well")
    for work in made:
        yield from _file(world, work, file)


def _file(world: World, work: Work, file: Route) -> Probes:
    answer = world.get(f"{work.key}.owner", work.path(file))
    held, absent = _own_rows(world, work.key, answer)
    control = f"the file of {work.name} holds own rows"
    problem = f"{absent} of the tenant's own {held + absent} planted rows are not in it" if held and absent else ""
    yield answer.probe(f"the file of {work.name}", SUCCESS, problem=problem, needs=control if held else "")
    if not held:
        yield untried(control, f"{answer.call.line()} was answered {answer.status} with none of the tenant's own planted rows")
        return
    yield noted(control, "", is_control=True)
    yield from asked_by_others(world, work, file, control)
    yield from asked_by_others(world, work, beside(world, work.route, "export_state"), control)
    again = world.get(f"{work.key}.owner", work.path(file))
    yield again.probe(f"the file of {work.name} after {OTHER[work.key]} asked for it", SUCCESS, needs=control)


def _own_rows(world: World, key: str, answer: Exchange) -> tuple[int, int]:
    """How many rows of the main collection stand in an answer, and how many do not."""
    plants = world.planted(key, world.planting_route().name)
    held = sum(1 for plant in plants if plant.labels & answer.own)
    return held, len(plants) - held

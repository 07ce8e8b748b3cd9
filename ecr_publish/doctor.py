"""The preflight alone, told as a table. It changes nothing, and no report is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ecr_publish.ahead import Ahead, look_for_builder, look_for_login
from ecr_publish.bake import Definition, caches
from ecr_publish.edges.ports import Edges
from ecr_publish.errors import ExitCode, PublishError, in_full
from ecr_publish.inputs import variable
from ecr_publish.outcome import Outcome
from ecr_publish.pace import Pace
from ecr_publish.plan import Plan
from ecr_publish.preflight import Check, Facts, checks, failure, merged, named, of_bake, of_fork
from ecr_publish.probe import connected, probed, shut
from ecr_publish.report.doctor import notes, problems, table
from ecr_publish.run import Run
from ecr_publish.steps import decided, narrowed


def run(environ: Mapping[str, str], edges: Edges, write: Callable[[str], None]) -> int:
    """Check what a run with these inputs would need; gives the exit code that it would end with.

    Args:
        environ: Holds the inputs, as for a step of a workflow.
        edges: Whatever the run would touch.
        write: Writes a line.
    """
    here = Run(edges=edges, outcome=Outcome(), pace=Pace(edges.clock))
    try:
        found = _checked(environ, here)
    except PublishError as error:
        _write(in_full(error).splitlines(), write)
        return int(error.exit_code)
    _write((*table(found), "", *notes(here.outcome.notes), *problems(found)), write)
    end = failure(found)
    return int(end.exit_code) if end else int(ExitCode.PASSED)


def _write(lines: Iterable[str], write: Callable[[str], None]) -> None:
    for line in lines:
        write(line)


def _checked(environ: Mapping[str, str], here: Run) -> tuple[Check, ...]:
    """All checks; raises PublishError where it is not even known what is to be done."""
    if not environ.get(variable("bake-file"), "").strip():
        context, plan = decided(environ, here)
        return _looked(here, {"": plan}, from_fork=context.from_fork)
    from ecr_publish import many  # noqa: PLC0415 - few need it

    context, inputs, definition, plans = many.decided(environ, here)
    narrow = narrowed(here, inputs, [*plans.values()], caches(definition))
    plans = dict(zip(plans, narrow, strict=True))
    return _looked(here, plans, from_fork=context.from_fork, definition=definition)


def _looked(
    here: Run,
    plans: Mapping[str, Plan],
    *,
    from_fork: bool,
    definition: Definition | None = None,
) -> tuple[Check, ...]:
    """The checks of all images; where there is more than one, `definition` has them."""
    first = next(iter(plans.values()))
    if first.on_fork is not None:
        return of_fork(first.on_fork)
    builder = look_for_builder(here.edges.engine, first.source)
    registry = connected(here.edges, first, here.outcome.note, from_fork=from_fork)
    if isinstance(registry, PublishError):
        return shut([*plans.values()], registry, builder)
    ahead = Ahead(builder=builder, login=look_for_login(registry, first.source))

    def facts(name: str) -> Facts:
        own = registry.elsewhere(plans[name].repository) if name else registry
        return probed(own, plans[name], ahead).facts

    found = {name: facts(name) for name in plans}
    seen = [named(name, checks(plans[name], found[name])) for name in plans]
    there = [it.repository for it in found.values()]
    caches = of_bake(definition, [*plans.values()], there) if definition else None
    return merged([*seen, [caches] if caches else []])

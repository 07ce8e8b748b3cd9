"""Many images, built with one call, and each under its candidate tag in its repository."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from ecr_publish.bake import Bake, Definition, Image
from ecr_publish.build import Way, way
from ecr_publish.edges.ports import Login
from ecr_publish.errors import PublishError
from ecr_publish.obtain import candidate_may_be_there, may_be_there, note
from ecr_publish.outcome import Batch
from ecr_publish.plan import Build
from ecr_publish.reference import Digest
from ecr_publish.run import Run, Site
from ecr_publish.together import at_once

Sites = Mapping[str, Site]
"""Of images that are still under way, by their targets."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked of buildx: the files, and what each target is as a build."""

    files: tuple[str, ...]
    builder: str | None
    definition: Definition
    builds: Mapping[str, Build]


def baked(run: Run, batch: Batch, order: Order, sites: Sites) -> dict[str, Digest]:
    """Build all images and push them; gives the digests of those that have come to ECR."""
    try:
        return _made(run, batch, order, sites)
    except PublishError as error:
        for name in sites:
            batch.images[name].stop(error)
        return {}
    finally:
        for site in sites.values():
            _forget(site)


def _forget(site: Site) -> None:
    """Let the image wear the candidate's name in the engine no longer."""
    site.edges.engine.forget(f"{site.state.uri}:{site.plan.candidate}")


def _made(run: Run, batch: Batch, order: Order, sites: Sites) -> dict[str, Digest]:
    with run.room("build"):
        any_site = next(iter(sites.values()))
        builder = any_site.ahead.builder()
        # One builder has one way; what it cannot do has shown in the preflight.
        (how,) = {
            way(order.builds[name], builder, site.state, site.plan.candidate)
            for name, site in sites.items()
        }
        # Waited for before the build prints anything: its mask would be lost among that.
        token = any_site.ahead.login()
        run.say(f"The images are to be {how.value}")
        login = token if how is Way.BUILDER else None
        digests = _bake(run, order, sites, login)
        if login:
            return _noted(sites, digests)
    with run.room("push"):
        return _pushed(batch, sites, token)


def _bake(run: Run, order: Order, sites: Sites, login: Login | None) -> Mapping[str, Digest]:
    call = Bake(
        files=order.files,
        builder=order.builder,
        definition=order.definition,
        images=tuple(
            Image(
                target=name,
                build=order.builds[name],
                state=site.state,
                candidate=site.plan.candidate,
            )
            for name, site in sites.items()
        ),
    )
    workspace = next(iter(sites.values())).workspace
    # Without a login no image gets further than the engine.
    pushed = sites.values() if login else ()
    try:
        with ExitStack() as pushes, run.edges.workflow.untrusted() as write:
            for site in pushed:
                pushes.enter_context(candidate_may_be_there(site))
            return run.edges.engine.bake(call, workspace=workspace, login=login, write=write)
    except PublishError:
        for site in pushed:
            site.outcome.notes.append(
                f"BuildKit may have pushed the candidate {site.plan.candidate} before another "
                "image failed."
            )
        raise


def _noted(sites: Sites, digests: Mapping[str, Digest]) -> dict[str, Digest]:
    for name, site in sites.items():
        note(site, digests[name])
    return {name: digests[name] for name in sites}


def _pushed(batch: Batch, sites: Sites, login: Login) -> dict[str, Digest]:
    """Let the engine push, several images at the same time."""
    begun: list[Site] = []

    def push(name: str) -> Digest:
        site = sites[name]
        begun.append(site)
        digest = site.edges.engine.push(site.state, site.plan.candidate, login, site.say)
        note(site, digest)
        # The engine takes its time for that, so it is done while others are pushed.
        _forget(site)
        return digest

    try:
        return at_once(batch, sites, push)
    except KeyboardInterrupt:
        for site in begun:
            if site.outcome.candidate is None:
                may_be_there(site)
        raise

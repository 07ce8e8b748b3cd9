"""The image, however it comes: built and pushed, merged from others, or there already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from ecr_publish.build import Way, way
from ecr_publish.edges.ports import Delivery, Login
from ecr_publish.errors import PlatformsMissing
from ecr_publish.manifest import IMAGES, Manifest, Target, missing_platforms, targets
from ecr_publish.merge import Part, merged
from ecr_publish.origin import Origin
from ecr_publish.plan import Build, Existing, LocalImage, Merge
from ecr_publish.reference import Digest, Tag
from ecr_publish.run import Obtained, Site
from ecr_publish.standing import published_before, refuse_taken


def obtained(site: Site) -> Obtained:
    """The image that the run is about; it is in the repository then.

    Raises TagTaken as soon as it is certain that a release tag, which cannot move, is on another.
    """
    before = made_before(site)
    return arrived(site, _there(site, before) if before else _from_source(site))


def made_before(site: Site) -> Digest | None:
    """The image, if an earlier run has made it; raises TagTaken as `obtained` does."""
    source = site.plan.source
    before = None
    if isinstance(source, (Build, Merge)):
        before = published_before(site.plan, site.state, site.standing, _recipes(site, source))
    site.outcome.reused = before is not None
    site.outcome.worn = tuple(
        tag for tag, holder in site.standing.items() if holder.digest == before
    )
    return before


def arrived(site: Site, manifest: Manifest) -> Obtained:
    """The image that the run is about, now that it is there; raises TagTaken."""
    site.outcome.digest = manifest.digest
    refuse_taken(site.state, site.standing, manifest.digest)
    return Obtained(manifest=manifest, origin=_origin(site, manifest))


def images(site: Site, manifest: Manifest) -> tuple[Target, ...]:
    """The images to scan behind it; raises PlatformsMissing where one that was asked for lacks."""
    found = targets(manifest, site.registry.manifest)
    wanted = site.plan.source.platforms if isinstance(site.plan.source, Build) else ()
    missing = missing_platforms(wanted, found)
    if missing:
        raise PlatformsMissing(missing)
    return found


def _from_source(site: Site) -> Manifest:
    source = site.plan.source
    if isinstance(source, Existing):
        return _there(site, source.reference)
    if isinstance(source, Merge):
        return _merged(site, source)
    with _local_candidate(site):
        digest = _built(site, source) if isinstance(source, Build) else _taken(site, source)
    return site.registry.manifest(digest)


def _recipes(site: Site, source: Build | Merge) -> frozenset[str]:
    """Of what the image is to be made; parts are asked only where a tag is on an image already."""
    if isinstance(source, Build):
        return frozenset([source.recipe])
    if not site.standing:
        return frozenset()
    origins = [site.registry.origin(site.registry.find(digest)) for digest in source.digests]
    return frozenset().union(*(origin.recipes if origin else {""} for origin in origins))


def _origin(site: Site, manifest: Manifest) -> Origin | None:
    """What the image says of its commit, read only where a tag's image says it too."""
    source = site.plan.source
    if isinstance(source, Build):
        return Origin(committed=source.epoch)
    known = any(item.origin and item.origin.committed for item in site.standing.values())
    return site.registry.origin(manifest) if known or site.plan.only_forward else None


def _there(site: Site, reference: Tag | Digest) -> Manifest:
    with site.room("find"):
        manifest = site.registry.find(reference)
        site.say(f"{site.state.uri}@{manifest.digest}")
    return manifest


def _merged(site: Site, source: Merge) -> Manifest:
    with site.room("merge"):
        index = merged([_part(site, digest) for digest in source.digests])
        refuse_taken(site.state, site.standing, index.digest)
        with candidate_may_be_there(site):
            site.registry.put(index, site.plan.candidate)
            note(site, index.digest)
    return index


def _part(site: Site, digest: Digest) -> Part:
    manifest = site.registry.find(digest)
    if manifest.media_type not in IMAGES:
        return Part(manifest=manifest)
    return Part(manifest=manifest, config=site.registry.config(manifest))


@contextmanager
def _local_candidate(site: Site) -> Iterator[None]:
    """The image wears the candidate's name in the engine for no longer than the push needs it."""
    try:
        yield
    finally:
        site.edges.engine.forget(f"{site.state.uri}:{site.plan.candidate}")


def _built(site: Site, build: Build) -> Digest:
    engine, candidate = site.edges.engine, site.plan.candidate
    with site.room("build"):
        how = way(build, site.ahead.builder(), site.state, candidate)
        # Waited for before the build prints anything: its mask would be lost among that.
        token = site.ahead.login()
        site.say(f"The image is to be {how.value}")
        pushes = how is Way.BUILDER
        login = token if pushes or build.needs_login(site.state.host) else None
        noted = candidate_may_be_there(site) if pushes else nullcontext()
        with noted, site.edges.workflow.untrusted() as write:
            built = engine.build(
                *(build, site.state, candidate),
                by=Delivery(way=how, login=login),
                workspace=site.workspace,
                write=write,
            )
        site.outcome.remarks = built.remarks
        if built.digest:
            note(site, built.digest)
    return built.digest or _pushed(site, token)


def _taken(site: Site, source: LocalImage) -> Digest:
    with site.room("build"):
        site.edges.engine.tag(source.name, site.state, site.plan.candidate)
        site.say(f"Taking {source.name}, which is built already")
    return _pushed(site, site.ahead.login())


def _pushed(site: Site, login: Login) -> Digest:
    with site.room("push"):
        candidate = site.plan.candidate
        with candidate_may_be_there(site):
            digest = site.edges.engine.push(site.state, candidate, login, site.say)
            note(site, digest)
    return digest


@contextmanager
def candidate_may_be_there(site: Site) -> Iterator[None]:
    """A cancel in the middle of a push does not tell whether ECR has taken the image."""
    try:
        yield
    except KeyboardInterrupt:
        may_be_there(site)
        raise


def may_be_there(site: Site) -> None:
    """Note that a push was under way when the run was cancelled."""
    site.outcome.notes.append(
        f"The push was under way; ECR may have taken the candidate {site.plan.candidate}."
    )


def note(site: Site, digest: Digest) -> None:
    """From now on the candidate is there, however the run ends."""
    site.outcome.digest, site.outcome.candidate = digest, site.plan.candidate
    site.say(f"{site.state.uri}:{site.plan.candidate} is {digest}")

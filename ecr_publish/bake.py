"""A bake file, as buildx resolves it -> one plan per target, and the one call that builds them all.

A bake file names tags and outputs of its own. All of them are replaced, by `--set`, so that the
file never says what is pushed where (S1, S4). Docker's reference: "docker buildx bake", "Bake file
reference". What `--print` writes: strings where buildx is older than 0.20, objects later.
"""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ecr_publish.build import Way
from ecr_publish.context import Context
from ecr_publish.errors import BakeInvalid, BuildFailed
from ecr_publish.inputs import Inputs
from ecr_publish.origin import REVISION, Commit, labels, recipe
from ecr_publish.plan import CREATED, IMAGE_BY_DIGEST, Build, RepositoryState
from ecr_publish.reference import Digest, ImageReference, Repository, Tag

TARGET = "{target}"
EPOCH = "SOURCE_DATE_EPOCH"
_LINK, _HERE = "target:", "cwd://"
_NOT_BUILT = ("tags", "output", "cache-from", "cache-to")
"""What a target says beside how its image is made."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What is asked for, in order, and the resolved content of each target.

    Of those too that another one only builds upon.
    """

    asked: tuple[str, ...]
    targets: Mapping[str, Mapping[str, Any]] = field(repr=False)

    def links(self, name: str) -> tuple[str, ...]:
        """The targets that a target builds upon, whatever lies between."""
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            contexts = self.targets[waiting.pop()].get("contexts", {}).values()
            ahead = [at.removeprefix(_LINK) for at in contexts if at.startswith(_LINK)]
            waiting += [it for it in ahead if it not in found]
            found |= dict.fromkeys(ahead)
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Image:
    """One target that is to be built, and the name that its image gets."""

    target: str
    build: Build
    state: RepositoryState
    candidate: Tag

    @property
    def reference(self) -> str:
        """The candidate, as docker names it."""
        return f"{self.state.uri}:{self.candidate}"


@dataclass(frozen=True, kw_only=True)
class Bake:
    """One call of `docker buildx bake`; there is at least one image."""

    files: tuple[str, ...]
    builder: str | None
    images: tuple[Image, ...]
    definition: Definition

    @property
    def linked(self) -> dict[str, Build]:
        """The targets that are built for others alone, each with one that builds upon it."""
        return _linked(self.definition, {image.target: image.build for image in self.images})

    @property
    def scaffold(self) -> dict[str, str]:
        """The name that each of them gets, since older versions of buildx load them too."""
        return _scaffold(self.linked, self.images[0].candidate)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One call of `docker buildx bake` of which nothing is kept; `builds` are what is asked for.

    `tag` is like none of another run.
    """

    files: tuple[str, ...]
    builder: str | None
    definition: Definition
    builds: Mapping[str, Build]
    tag: Tag

    @property
    def everything(self) -> dict[str, Build]:
        """All that is built; what is built for others alone with one that builds upon it."""
        return {**self.builds, **_linked(self.definition, self.builds)}

    @property
    def scaffold(self) -> dict[str, str]:
        """The name that each gets, since older versions of buildx load what others build upon."""
        return _scaffold(self.everything, self.tag)


def definition(text: str) -> Definition:
    """What `docker buildx bake --print` (JSON) says; raises BakeInvalid where it names no target.

    Its group `default` is what was asked for; a group may name others, and also itself.
    """
    printed = json.loads(text)
    groups, targets = printed.get("group", {}), printed.get("target", {})
    asked: dict[str, None] = {}
    seen: set[str] = set()
    waiting = ["default"]
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        inside = groups.get(name, {}).get("targets", [])
        # Where a group is called as a target is, the target is none of its own members.
        waiting = [*(item for item in inside if item != name), *waiting]
        if name in targets and (name not in groups or name in inside):
            asked[name] = None
    if not asked:
        raise BakeInvalid("it defines no target that could be built")
    return Definition(asked=tuple(asked), targets=targets)


def problems(inputs: Inputs, asked: Sequence[str]) -> Iterator[str]:
    """What of the inputs these targets make impossible."""
    for name in asked:
        try:
            Repository.parse(inputs.repository.name.replace(TARGET, name))
        except ValueError as error:
            yield f"targets: {name!r} cannot be a part of the repository's name: {error}"
    if len(asked) == 1:
        return
    paths = {"sarif-file": [inputs.sarif_file or TARGET], "report-file": inputs.report_file}
    for setting, texts in {"repository": [inputs.repository.name], **paths}.items():
        if not all(TARGET in text for text in texts):
            yield (
                f"{setting}: has to hold {TARGET}, because there are {len(asked)} targets "
                f"({', '.join(asked[:10])}{', …' if len(asked) > 10 else ''}), "  # noqa: PLR2004
                "and each has its own"
            )


def for_target(inputs: Inputs, name: str) -> Inputs:
    """The inputs as they are for one target."""
    return replace(
        inputs,
        repository=Repository.parse(inputs.repository.name.replace(TARGET, name)),
        tags=tuple(tag.replace(TARGET, name) for tag in inputs.tags),
        sarif_file=inputs.sarif_file and inputs.sarif_file.replace(TARGET, name),
        report_file=tuple(path.replace(TARGET, name) for path in inputs.report_file),
    )


def places(definition: Definition, name: str) -> tuple[str, ...]:
    """Where the files of a target come from, its own context first; each once.

    Of an image that is named by its digest there is nothing more to know.
    """
    found: list[str] = []
    for target in (name, *definition.links(name)):
        content = definition.targets[target]
        found += [content.get("context", "."), *content.get("contexts", {}).values()]
    plain = (place.removeprefix(_HERE) or "." for place in found)
    return tuple(
        dict.fromkeys(
            it for it in plain if not it.startswith(_LINK) and not IMAGE_BY_DIGEST.fullmatch(it)
        )
    )


def afresh(definition: Definition, name: str) -> bool:
    """Whether a target asks for newer base images, or for a build without a cache."""
    return any(definition.targets[name].get(it) for it in ("pull", "no-cache", "no-cache-filter"))


def source(
    definition: Definition,
    name: str,
    commits: Mapping[str, Commit | None],
    context: Context,
) -> Build:
    """A target as a build, with labels that say what it is made of.

    Args:
        definition: The bake file.
        name: The target.
        commits: What is checked out in each of its places.
        context: The run.
    """
    content = definition.targets[name]
    build = Build(
        context=_context(content),
        file=_file(content),
        target=content.get("target"),
        platforms=tuple(content.get("platforms", ())),
        build_args=tuple(
            f"{key}={value}" for key, value in content.get("args", {}).items() if value is not None
        ),
        labels=(),
        network=content.get("network"),
        provenance="true" if _attested(content) else "false",
    )
    commit = commits[places(definition, name)[0]]
    if commit is None:
        return build
    made_of = _recipe(definition, name, commits, context)
    own = _labels(content, commit, made_of)
    return replace(build, labels=own, recipe=made_of, epoch=commit.time)


def _labels(content: Mapping[str, Any], commit: Commit, made_of: str) -> tuple[str, ...]:
    """Those that say what the image is made of, but for a revision that the file states itself."""
    own, stated = labels(commit, made_of, ()), content.get("labels", {})
    return tuple(it for it in own if not it.startswith(f"{REVISION}=") or REVISION not in stated)


def command(bake: Bake, way: Way, metadata: str) -> list[str]:
    """The `docker buildx bake` that makes all images, and pushes them where the way is so.

    Args:
        bake: What is to be built.
        way: How the images get to ECR.
        metadata: The path of the file where buildx states the digests.
    """
    return [
        *("docker", "buildx", "bake", "--progress", "plain", "--metadata-file", metadata),
        *_asked(bake, _settings(bake, way)),
        *("--", *(image.target for image in bake.images)),
    ]


def trial(asked: Trial) -> list[str]:
    """The `docker buildx bake` that makes all images, and keeps and pushes nothing (S1, S4)."""
    return [
        *("docker", "buildx", "bake", "--progress", "plain"),
        *_asked(asked, _trial_settings(asked)),
        *("--", *asked.builds),
    ]


def printing(files: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The `docker buildx bake` that resolves the files, and builds nothing."""
    named = (word for file in files for word in ("--file", file))
    return ["docker", "buildx", "bake", "--print", *named, "--", *targets]


def digests(metadata: str, targets: Sequence[str]) -> dict[str, Digest]:
    """The digests that BuildKit has pushed, of buildx's metadata file (JSON).

    Raises BuildFailed where one is not stated, as when a target only checks its Dockerfile.
    """
    stated = json.loads(metadata)
    try:
        return {name: Digest.parse(stated[name]["containerimage.digest"]) for name in targets}
    except LookupError as error:
        raise BuildFailed(0, said=f"no image of the target {error}") from error


def blamed(bake: Bake, said: str) -> Image:
    """The image whose push has failed by what BuildKit says; the first where it names none."""
    return next((it for it in bake.images if it.state.uri in said), bake.images[0])


def refuse_caches(definition: Definition, states: Sequence[RepositoryState]) -> None:
    """Raise BakeInvalid where a cache would be pushed into a repository that gets an image.

    There it would take a tag of that repository, without any gate (S1).
    """
    for name, reference in _exports(definition):
        image = ImageReference.parse(reference.lower())
        if any(state.holds(image) for state in states):
            raise BakeInvalid(
                f"the target {name} exports its cache to {reference}, a repository that this "
                "step publishes to; name another one for the cache"
            )


def caches(definition: Definition) -> tuple[ImageReference, ...]:
    """The images that the targets export their caches to."""
    return tuple(ImageReference.parse(reference) for _, reference in _exports(definition))


def _exports(definition: Definition) -> Iterator[tuple[str, str]]:
    """The targets that export a cache to an image, each with the image's reference."""
    for name, content in definition.targets.items():
        references = (_attributes(cache).get("ref", "") for cache in content.get("cache-to", ()))
        yield from ((name, reference) for reference in references if reference)


def _linked(definition: Definition, builds: Mapping[str, Build]) -> dict[str, Build]:
    return {
        name: build
        for target, build in reversed([*builds.items()])
        for name in definition.links(target)
        if name not in builds
    }


def _scaffold(targets: Iterable[str], tag: Tag) -> dict[str, str]:
    return {name: f"ecr-publish/linked-{number}:{tag}" for number, name in enumerate(targets)}


def _asked(call: Bake | Trial, settings: Iterable[str]) -> Iterator[str]:
    yield from ("--builder", call.builder) if call.builder else ()
    yield from (word for file in call.files for word in ("--file", file))
    yield from (word for setting in settings for word in ("--set", setting))


def _trial_settings(asked: Trial) -> Iterator[str]:
    for name, build in asked.everything.items():
        yield f"{name}.tags={asked.scaffold[name]}"
        yield f"{name}.output=type=cacheonly"
        # Of an image that is not kept, this one is none; and not all of buildx takes «no cache».
        yield f"{name}.cache-to=type=inline"
        yield from _time(asked, name, build)


def _settings(bake: Bake, way: Way) -> Iterator[str]:
    output = "type=docker" if way is Way.ENGINE else "type=registry"
    for image in bake.images:
        yield f"{image.target}.tags={image.reference}"
        yield f"{image.target}.output={output}"
        yield from (f"{image.target}.labels.{label}" for label in image.build.labels)
        yield from _time(bake, image.target, image.build)
    for name, build in bake.linked.items():
        yield f"{name}.tags={bake.scaffold[name]}"
        yield f"{name}.output=type=cacheonly"
        yield from _time(bake, name, build)


def _time(bake: Bake | Trial, name: str, build: Build) -> Iterator[str]:
    """What makes an image state its commit's time as its own, unless the user has set another."""
    if build.epoch is not None and EPOCH not in bake.definition.targets[name].get("args", {}):
        yield f"{name}.args.{EPOCH}={build.epoch}"


def _file(content: Mapping[str, Any]) -> str:
    """The Dockerfile's path from the workspace; `-` where it stands in the bake file itself."""
    if "dockerfile-inline" in content:
        return "-"
    path: str = content.get("dockerfile", "Dockerfile")
    if path.startswith(_HERE):
        return path.removeprefix(_HERE)
    return posixpath.normpath(posixpath.join(_context(content), path))


def _context(content: Mapping[str, Any]) -> str:
    return str(content.get("context", ".")).removeprefix(_HERE) or "."


def _recipe(
    definition: Definition,
    name: str,
    commits: Mapping[str, Commit | None],
    context: Context,
) -> str:
    """One word for the build; empty where nothing here could tell whether another is the same."""
    found = [commits[place] for place in places(definition, name)]
    known = [commit for commit in found if commit and commit.clean]
    if len(known) < len(found):
        return ""
    made = [_made(definition.targets[target]) for target in (name, *definition.links(name))]
    return recipe(
        known[0], "bake", [commit.sha for commit in known], context.sha, context.architecture, made
    )


def _made(content: Mapping[str, Any]) -> dict[str, Any]:
    """What of a target decides what its image is."""
    stated = {name: value for name, value in content.get("labels", {}).items() if name != CREATED}
    return {
        name: stated if name == "labels" else value
        for name, value in sorted(content.items())
        if name not in _NOT_BUILT
    }


def _attested(content: Mapping[str, Any]) -> bool:
    attributes = (_attributes(item) for item in content.get("attest", ()))
    return any(str(item.get("disabled", "")).lower() != "true" for item in attributes)


def _attributes(item: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """One entry of a list such as `attest`; a cache's without a type is a reference alone."""
    if not isinstance(item, str):
        return item
    (fields,) = csv.reader([item])
    if len(fields) == 1 and "=" not in item:
        return {"ref": item}
    return {name.strip().lower(): value for name, _, value in (it.partition("=") for it in fields)}

"""The Docker Engine's API by docker-py. Its exceptions end here and become ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, StreamParseError
from urllib3.exceptions import HTTPError

from ecr_publish.edges.ports import Clock, Login, Show
from ecr_publish.errors import EngineMissing, ImageMissing, InvalidInputs, PushFailed
from ecr_publish.plan import RepositoryState
from ecr_publish.push import Progress, behind_proxy, failure, follow
from ecr_publish.reference import Digest, Tag

_SAY_EVERY = 3.0
_STREAM_TIMEOUT = 900
"""Seconds without any event of a push before it counts as dead."""
_CONTAINERD = "io.containerd.snapshotter.v1"
_BROKEN_OFF = (requests.RequestException, HTTPError, StreamParseError)
"""What docker-py lets through when an engine refuses a push or dies in the middle of one."""


class DockerApi:
    """The engine that DOCKER_HOST names, or the local one; every method raises EngineMissing."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, show: Show) -> None:
        """Args: environ: Says where the engine is. clock: Paces the log. show: Draws progress."""
        self._environ = dict(environ)
        self._clock = clock
        self._show = show

    def has_containerd(self) -> bool:
        """Whether the engine keeps images in the containerd image store."""
        with self._connected() as api:
            status = api.info().get("DriverStatus") or []
        return ["driver-type", _CONTAINERD] in status

    def has_name(self, image: str) -> bool:
        """Whether an image, perhaps given by its id, has a name; raises as `tag` does."""
        with self._looking_for(image) as api:
            return bool(api.inspect_image(image).get("RepoTags"))  # type: ignore[no-untyped-call]

    def tag(self, image: str, state: RepositoryState, tag: Tag) -> None:
        """Give an image one name more; raises ImageMissing or InvalidInputs."""
        with self._looking_for(image) as api:
            api.tag(image, state.uri, str(tag))

    def push(
        self, state: RepositoryState, tag: Tag, login: Login, say: Callable[[str], None]
    ) -> Digest:
        """Push and give the digest that the registry took; raises PushFailed."""
        auth = {"username": login.username, "password": login.password}
        with self._connected() as api:
            try:
                events = api.push(
                    state.uri, tag=str(tag), stream=True, decode=True, auth_config=auth
                )
                progress = self._follow(events, say)
            except _BROKEN_OFF as error:
                raise self._failure(str(error), state) from error
        if progress.error or progress.digest is None:
            raise self._failure(progress.error or "the engine stated no digest", state)
        say(str(progress))
        return progress.digest

    def remove(self, reference: str) -> None:
        """Remove a name, and the image with its last one."""
        with self._connected() as api:
            api.remove_image(reference, noprune=True)

    def _failure(self, message: str, state: RepositoryState) -> PushFailed:
        return failure(message, state.arn, proxied=behind_proxy(self._environ))

    @contextmanager
    def _connected(self) -> Iterator[docker.APIClient]:
        try:
            client = docker.from_env(environment=self._environ, timeout=_STREAM_TIMEOUT)
            with closing(client.api) as api:
                yield api
        except (DockerException, requests.RequestException) as error:
            raise EngineMissing(str(error)) from error

    @contextmanager
    def _looking_for(self, image: str) -> Iterator[docker.APIClient]:
        with self._connected() as api:
            try:
                yield api
            except ImageNotFound:
                raise ImageMissing(image) from None
            except APIError as error:
                if error.status_code != HTTPStatus.BAD_REQUEST:
                    raise
                problem = f"image: {image!r} is neither an image's name nor its id"
                raise InvalidInputs([problem]) from error

    def _follow(self, events: Iterator[dict[str, object]], say: Callable[[str], None]) -> Progress:
        progress, said = Progress(), self._clock.now()
        for event in events:
            progress = follow(progress, event)
            shown = self._show(progress.part, str(progress))
            if not shown and self._clock.now() - said >= _SAY_EVERY:
                said = self._clock.now()
                say(str(progress))
        return progress

"""A private DOCKER_CONFIG with a login, for a builder that pushes by itself; gone afterwards.

Docker's reference: "docker CLI configuration file". The user's own configuration stays as it is,
and all of it but the login counts: builders, contexts, plugins, proxies, other registries.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ecr_publish.edges.ports import Login

_FILE = "config.json"


@contextmanager
def private_config(environ: Mapping[str, str], host: str, login: Login) -> Iterator[dict[str, str]]:
    """The environment for docker's processes that may push to this registry.

    The directory is readable for nobody else (mkdtemp's mode is 0700) and removed in the end.
    """
    own = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "/"), ".docker"))
    with TemporaryDirectory(dir=environ.get("RUNNER_TEMP"), prefix="docker-") as directory:
        for entry in own.glob("*"):
            if entry.name != _FILE:
                Path(directory, entry.name).symlink_to(entry.absolute())
        content = with_login(_read(own / _FILE), host, login)
        Path(directory, _FILE).write_text(json.dumps(content), encoding="utf-8")
        yield {**environ, "DOCKER_CONFIG": directory}


def with_login(config: Mapping[str, Any], host: str, login: Login) -> dict[str, Any]:
    """The configuration with a login that is used for this registry, and for no other."""
    auth = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    return {
        **config,
        "auths": {**_entries(config, "auths"), host: {"auth": auth}},
        # Where a credsStore is set, docker looks nowhere else, unless the host has a helper: none.
        "credHelpers": {**_entries(config, "credHelpers"), host: ""},
    }


def _entries(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

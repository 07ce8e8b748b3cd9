"""A private Docker Engine: own socket, data and containerd, gone without a trace when stopped.

Both image stores are wanted, because users have both and they behave differently: `classic`
(overlay2, the default up to Engine 28) and `containerd` (the default from Engine 29).

    with Engine(store="classic") as engine:
        subprocess.run(["docker", "version"], env={**environment, **engine.environment()})

    python -m dev.engine start --store containerd      # prints {"host": …, "directory": …}
    python -m dev.engine stop DIRECTORY

The engine has no bridge (`--bridge=none` spares the machine's firewall and other engines), so
builds and containers use the network `none` or `host`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from dev.root import RootNeededError, as_root

Store = Literal["classic", "containerd"]

START_SECONDS = 60.0
# dockerd stops its containers in about 15 s before it goes.
STOP_SECONDS = 25.0
POLL_SECONDS = 0.05
# sockaddr_un holds 108 bytes with the closing NUL, and containerd appends ".ttrpc" to its own.
LONGEST_SOCKET = 107 - len(".ttrpc")
PROGRAMS = ("dockerd", "containerd", "containerd-shim-runc-v2")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Becomes its own session, so that neither Ctrl-C in the terminal nor sudo's end reaches the daemon.
DETACH = 'log=$1; shift; setsid "$@" >"$log" 2>&1 </dev/null &'


class EngineError(Exception):
    """The private engine could not be started or stopped."""


class Engine:
    """A private engine that lives as long as the `with` block.

    Raises:
        RootNeededError: Only root may run an engine.
    """

    def __init__(self, *, store: Store, directory: Path | None = None) -> None:
        self._root = as_root("running a private Docker Engine")
        self.store: Store = store
        self.directory = directory or _short_directory()

    @property
    def host(self) -> str:
        """The address for DOCKER_HOST."""
        return f"unix://{self.directory}/docker.sock"

    def environment(self) -> dict[str, str]:
        """Give the variables that point docker, buildx and docker-py to this engine."""
        return {"DOCKER_HOST": self.host}

    def start(self) -> None:
        """Start containerd and dockerd, and wait until the engine answers.

        Raises:
            EngineError: With the end of the daemon's log.
        """
        if len(f"{self.directory}/containerd.sock") > LONGEST_SOCKET:
            raise EngineError(f"{self.directory} is too long for the path of a socket")
        self.directory.mkdir(parents=True, exist_ok=True)
        _write_settings(self.directory, self.store)
        try:
            for command in _commands(self.directory):
                subprocess.run(
                    [*self._root, "env", f"PATH={_path()}", "sh", "-c", DETACH, "sh",
                     f"{self.directory}/{command[0]}.log", *command],
                    check=True,
                )  # fmt: skip
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the daemons by pid, detach what they mounted and remove all their data.

        Raises:
            EngineError: This is not the directory of an engine, or a daemon does not end.
        """
        if not (self.directory / "containerd.toml").exists():
            # Everything below is removed by root; a mistyped directory must not be.
            raise EngineError(f"{self.directory} is not the directory of a private engine")
        # dockerd first: it stops its containers by means of containerd.
        _end(self._root, self.directory, ("dockerd",))
        _end(self._root, self.directory, PROGRAMS)
        for mount in _mounts_below(self.directory):
            subprocess.run([*self._root, "umount", "--lazy", mount], check=False)
        subprocess.run(
            [*self._root, "rm", "-rf", "--one-file-system", str(self.directory)], check=True
        )

    def __enter__(self) -> Engine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers({**os.environ, **self.environment()}):
            dead = {"dockerd", "containerd"} - {name for _, name in _processes(self.directory)}
            if dead or time.monotonic() > deadline:
                reason = f"{', '.join(sorted(dead))} ended" if dead else "it does not answer"
                raise EngineError(f"no Docker Engine: {reason}\n{_log_tail(self.directory)}")
            time.sleep(POLL_SECONDS)


def answers(environment: Mapping[str, str]) -> bool:
    """Tell whether the engine that the docker CLI would use in this environment answers."""
    try:
        # The CLI and not docker-py, whose client leaks its socket where nobody answers.
        version = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            env=dict(environment),
            capture_output=True,
            check=False,
            timeout=10,
        )
    except subprocess.TimeoutExpired:
        return False
    return version.returncode == 0


def engine_host(environment: Mapping[str, str]) -> str | None:
    """Give the address of the engine that the docker CLI would use, if that engine answers."""
    if not answers(environment):
        return None
    if environment.get("DOCKER_HOST"):
        return environment["DOCKER_HOST"]
    # The user may have chosen it by `docker context use`, which a HOME of another's knows not.
    context = subprocess.run(
        ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    return context.stdout.strip()


def _short_directory() -> Path:
    # TMPDIR may be deep (pytest, macOS-like set-ups); a socket's path may not.
    return Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))


def _path() -> str:
    # Daemons live in sbin, which a user's PATH often lacks.
    return f"{os.environ.get('PATH', '')}:{PATH}"


def _write_settings(directory: Path, store: Store) -> None:
    settings = {"features": {"containerd-snapshotter": store == "containerd"}}
    (directory / "daemon.json").write_text(json.dumps(settings), encoding="utf-8")
    # Kubernetes' plugin would want a network of its own.
    (directory / "containerd.toml").write_text(
        'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n', encoding="utf-8"
    )


def _commands(directory: Path) -> list[list[str]]:
    # A containerd of our own: dockerd would otherwise take the machine's, and with it share
    # containers and images (namespace "moby") with the machine's engine.
    containerd = [
        "containerd", "--config", f"{directory}/containerd.toml",
        "--address", f"{directory}/containerd.sock",
        "--root", f"{directory}/containerd", "--state", f"{directory}/containerd-state",
    ]  # fmt: skip
    dockerd = [
        "dockerd", "--config-file", f"{directory}/daemon.json",
        "--containerd", f"{directory}/containerd.sock",
        "--host", f"unix://{directory}/docker.sock", "--group", str(os.getgid()),
        "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec",
        "--pidfile", f"{directory}/docker.pid",
        "--bridge=none", "--iptables=false", "--ip6tables=false",
    ]  # fmt: skip
    return [containerd, dockerd]


def _processes(directory: Path) -> list[tuple[int, str]]:
    """List (pid, program) of the daemons whose command lines name this directory.

    A zombie has no command line, so what is dead but not reaped does not count; nor does a
    stranger that got the pid of a dead daemon.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
            # Before its exec a daemon is still an argument of `setsid`.
            named = [word for word in (Path(words[0]).name, *words[1:]) if word in PROGRAMS]
            if named and any(f"{directory}/" in word for word in words):
                found.append((int(entry.name), named[0]))
    return found


def _end(root: list[str], directory: Path, programs: tuple[str, ...]) -> None:
    for name in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_SECONDS
        pids = [str(pid) for pid, program in _processes(directory) if program in programs]
        if pids:
            subprocess.run(
                [*root, "kill", f"-{name.value}", *pids], check=False, capture_output=True
            )
        while any(program in programs for _, program in _processes(directory)):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        else:
            return
    raise EngineError(f"still alive after SIGKILL: {_processes(directory)}")


def _mounts_below(directory: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    points = [line.split()[1] for line in lines]
    return [point for point in reversed(points) if point.startswith(f"{directory}/")]


def _log_tail(directory: Path) -> str:
    lines = []
    for program in ("containerd", "dockerd"):
        log = directory / f"{program}.log"
        if log.exists():
            lines += log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Start or stop an engine from a terminal."""
    parser = argparse.ArgumentParser(prog="python -m dev.engine", description="A private engine.")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start one and print its address as JSON")
    start.add_argument("--store", choices=("classic", "containerd"), default="classic")
    start.add_argument("--directory", type=Path, help="its home (default: a new one in /tmp)")
    stop = commands.add_parser("stop", help="stop it and remove all its data")
    stop.add_argument("directory", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "stop":
            Engine(store="classic", directory=chosen.directory.absolute()).stop()
            return 0
        directory = chosen.directory and chosen.directory.absolute()
        engine = Engine(store=chosen.store, directory=directory)
        engine.start()
    except (EngineError, RootNeededError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps({"host": engine.host, "directory": str(engine.directory)}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

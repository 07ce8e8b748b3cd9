"""The server in a thread, for tests and for the command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Literal

from local_ecr import faults
from local_ecr.app import App
from local_ecr.faults import Call, Fault
from local_ecr.holds import Hold, When
from local_ecr.keep_alive import KeepAliveServer
from local_ecr.registry import Place, Registry
from local_ecr.scans import DEFAULT_SECONDS, ENHANCED_PRESETS, Scenario, scenario_from
from local_ecr.sts import Session

HOST = "127.0.0.1"
Mode = Literal["basic", "enhanced"]
Kind = Literal["BASIC", "ENHANCED"]


class LocalEcr:
    """An ECR, an STS and GitHub's OIDC endpoint on a port of 127.0.0.1.

    Args:
        mode: Engine of the registry. None: as the preset needs it, else basic.
        scenario: A preset's name, decoded JSON, or a Scenario.
        scan_seconds: How long a usual scan of a preset takes.
        place: Account and region.
        port: 0 takes a free one.
        clock: Epoch seconds; a test may pass its own to let days pass.
        quiet: False writes one line per request to stderr.
    """

    def __init__(  # noqa: PLR0913 - all of them are settings by keyword
        self,
        *,
        mode: Mode | None = None,
        scenario: str | dict[str, Any] | Scenario = "clean",
        scan_seconds: float = DEFAULT_SECONDS,
        place: Place | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        quiet: bool = True,
    ) -> None:
        self._scan_seconds = scan_seconds
        enhanced = mode == "enhanced" if mode else _needs_enhanced(scenario)
        self.registry = Registry(
            place or Place(), self._scenario(scenario), enhanced=enhanced, clock=clock
        )
        self._app = App(self.registry, scan_seconds=scan_seconds, quiet=quiet)
        self._server = KeepAliveServer(HOST, port, self._app)
        self.registry.repositories.host = self.host
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> LocalEcr:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End, and delete all blobs."""
        self._app.holds.end()
        self._server.end()
        self._thread.join()
        self.registry.blobs.close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    @property
    def host(self) -> str:
        """Host and port: what image references begin with."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """Base URL of all that it serves, and the AWS endpoint URL."""
        return f"http://{self.host}"

    def environment(self) -> dict[str, str]:
        """Variables that make AWS clients and a GitHub step talk to this server."""
        region = self.registry.place.region
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": "AKIALOCALECR",
            "AWS_SECRET_ACCESS_KEY": "local-ecr",
            "AWS_EC2_METADATA_DISABLED": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/oidc/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self._app.issuer.request_token,
        }

    def calls(self, operation: str | None = None) -> list[Call]:
        """All calls so far, or those of one operation; `*` and `?` are allowed in it."""
        wanted = operation or "*"
        return [call for call in self._app.log.all() if fnmatchcase(call.operation, wanted)]

    def calls_per_second(self, operation: str | None = None) -> float:
        """The average rate from the first call to the last, over one second at least."""
        return faults.per_second(self.calls(operation))

    def most_calls_within(self, seconds: float, operation: str | None = None) -> int:
        """How many calls fell at most into any stretch of so many seconds."""
        return faults.most_within(self.calls(operation), seconds)

    def secrets(self) -> tuple[str, ...]:
        """Every secret that it has handed out, for tests that look where none of them may be."""
        return self._app.secrets()

    def sessions(self) -> tuple[Session, ...]:
        """Every session of a role so far, with the policy that narrows it, for tests."""
        return self._app.sessions()

    def scans(self) -> list[dict[str, Any]]:
        """Each scanned digest with startedAt and finalAt (epoch seconds) and its final status."""
        with self.registry.lock:
            return self.registry.scan_log()

    def fail_next(
        self,
        operation: str,
        code: str,
        times: int = 1,
        *,
        message: str | None = None,
        status: int | None = None,
    ) -> None:
        """Let the next calls of an operation fail; see local_ecr.faults.Fault."""
        fault = Fault(operation=operation, code=code, message=message, status=status)
        self._app.faults.add(fault, times)

    def delay(self, operation: str, seconds: float) -> None:
        """Let all calls of an operation wait before they are answered."""
        self._app.faults.delay(operation, seconds)

    def hold(self, operation: str, *, when: When = "before", skip: int = 0) -> Hold:
        """Stop a call that is to come, before or after its effect; see local_ecr.holds.Hold.

        with ecr.hold("PutImage", when="after", skip=1) as held:
            publisher = start()
            held.wait()  # the second PutImage has been made, and is not answered
            publisher.kill()
        """
        return self._app.holds.add(operation, when, skip)

    def expire_tokens(self) -> None:
        """Let every registry password that was handed out expire."""
        with self.registry.lock:
            self.registry.tokens.expire_all()

    def set_scenario(self, scenario: str | dict[str, Any] | Scenario) -> None:
        """Change what is scripted, also for scans that have begun."""
        changed = self._scenario(scenario)
        with self.registry.lock:
            self.registry.set_scenario(changed)

    def set_rules(self, kind: Kind, rules: Mapping[str, Sequence[str]] | None = None) -> None:
        """PutRegistryScanningConfiguration: filters of repositories by scan frequency.

        Basic rules are SCAN_ON_PUSH only; an enhanced repository that no rule covers is off.
        """
        with self.registry.lock:
            self.registry.repositories.set_rules(kind, rules or {})

    def reset(self) -> None:
        """Forget the log of calls and the faults; images stay."""
        self._app.faults.clear()
        self._app.log.clear()

    def _scenario(self, scenario: str | dict[str, Any] | Scenario) -> Scenario:
        if isinstance(scenario, Scenario):
            return scenario
        return scenario_from(scenario, self._scan_seconds)


def _needs_enhanced(scenario: str | dict[str, Any] | Scenario) -> bool:
    default = scenario.get("default") if isinstance(scenario, dict) else scenario
    return isinstance(default, str) and default in ENHANCED_PRESETS

"""The command line: `python -m local_ecr`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import local_ecr
from local_ecr import presets
from local_ecr.registry import Place
from local_ecr.scans import DEFAULT_SECONDS, PRESETS, Switches
from local_ecr.server import LocalEcr

_EXAMPLE = """
example:
  python -m local_ecr --port 5000 --scenario vulnerable &
  export AWS_ENDPOINT_URL=http://127.0.0.1:5000 AWS_REGION=eu-west-1 \\
         AWS_ACCESS_KEY_ID=AKIALOCALECR AWS_SECRET_ACCESS_KEY=local-ecr
  aws ecr create-repository --repository-name app --image-scanning-configuration scanOnPush=true
  aws ecr get-login-password | docker login --username AWS --password-stdin 127.0.0.1:5000
  docker tag app 127.0.0.1:5000/app:1.0 && docker push 127.0.0.1:5000/app:1.0
  aws ecr describe-image-scan-findings --repository-name app --image-id imageTag=1.0
"""


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; 0 is a clean end."""
    options = _parser().parse_args(arguments)
    try:
        ecr = _server(options)
    except (OSError, ValueError) as exc:
        sys.stderr.write(f"local_ecr: {exc}\n")
        return 2
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ecr:
        _announce(ecr, options.env_file)
        ended.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    described = f"{local_ecr.__doc__}\npresets:\n{presets.described()}\n\n{_switches()}\n{_EXAMPLE}"
    parser = argparse.ArgumentParser(
        prog="python -m local_ecr",
        description="An Amazon ECR on 127.0.0.1 for docker, aws and boto3.",
        epilog=described,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--mode", choices=("basic", "enhanced"), help="default: as the preset needs"
    )
    parser.add_argument("--scenario", default="clean", metavar="FILE|PRESET", help="default: clean")
    parser.add_argument(
        "--scan-seconds",
        type=float,
        default=DEFAULT_SECONDS,
        metavar="S",
        help="how long a usual scan takes (default: %(default)s)",
    )
    parser.add_argument("--account", default=Place.account, help="default: %(default)s")
    parser.add_argument("--region", default=Place.region, help="default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="no line per request on stderr")
    parser.add_argument(
        "--env-file", type=Path, metavar="FILE", help="write url, port, environment as JSON"
    )
    return parser


def _switches() -> str:
    # The docstring names each switch with its meaning; the defaults are the dataclass's own.
    _, _, attributes = str(Switches.__doc__).partition("Attributes:\n")
    return "switches:\n" + textwrap.indent(textwrap.dedent(attributes).rstrip(), "  ") + "\n"


def _server(options: argparse.Namespace) -> LocalEcr:
    return LocalEcr(
        mode=options.mode,
        scenario=_scenario(options.scenario),
        scan_seconds=options.scan_seconds,
        place=Place(account=options.account, region=options.region),
        port=options.port,
        quiet=options.quiet,
    )


def _scenario(name: str) -> str | dict[str, Any]:
    if name in PRESETS:
        return name
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"--scenario {name}: no such file, nor one of {', '.join(PRESETS)}")
    body: str | dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


def _announce(ecr: LocalEcr, env_file: Path | None) -> None:
    environment = ecr.environment()
    lines = [f"local ECR at {ecr.url}", *(f"export {k}='{v}'" for k, v in environment.items())]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    if env_file:
        ready = {"url": ecr.url, "port": ecr.port, "environment": environment}
        # Written whole and then renamed, so that who waits for the file never reads a half.
        partial = env_file.with_name(env_file.name + ".part")
        partial.write_text(json.dumps(ready, indent=1), encoding="utf-8")
        partial.replace(env_file)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

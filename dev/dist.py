"""What a release has and main has not: the locked packages, and the bytecode of all that runs.

`make dist` writes the packages to dist/, as a folder to import from. Every source in it is, byte
for byte, a file of a wheel whose hash stands in requirements/runtime.txt; of botocore's data only
the services that are used are taken. A copy of the lock lies beside the packages: start.sh uses a
bundle of no other lock.

The bytecode is that of the Python that runs this, in the `__pycache__` of dist/ and ecr_publish/. A
runner is new for each job, and to compile everything there takes longer than all the rest of the
start. It holds the hash of its source, so that Python compiles a source anew that was changed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOCK = Path("requirements/runtime.txt")
FOLDERS = ("dist", "ecr_publish")

SERVICES = ("ecr", "inspector2", "sso", "sso-oidc", "sts")
"""The two of sso are for profiles of the AWS CLI; `signin`, for those of `aws login`, is of no use
without awscrt, which is machine code."""

# pip's words for wheels that hold no machine code and suit any CPython from the oldest one on.
PURE = ("--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", "3.10")
MACHINE_CODE = (".so", ".pyd", ".dylib", ".dll", ".a")
_DATA = re.compile(r"botocore/data/([^/]+)/[^/]+/(?!examples-)")
_OF_DIST_INFO = re.compile(r"[^/]+\.dist-info/(METADATA$|licenses/|(LICEN[CS]E|NOTICE|AUTHORS))")


class DistError(Exception):
    """There is no bundle to be had from this lock."""


def kept(name: str) -> bool:
    """Tell whether a file of a wheel, by its path there, belongs to the bundle."""
    top, _, rest = name.partition("/")
    if top.endswith(".dist-info"):
        return bool(_OF_DIST_INFO.match(name))
    if name.startswith("botocore/data/"):
        service = _DATA.match(name)
        return service[1] in SERVICES if service else name.count("/") == 2  # noqa: PLR2004
    # What pip would put elsewhere (`.data`: programs), tests, and what only resources need.
    dropped = top.endswith(".data") or "tests" in (top, rest.partition("/")[0])
    return not dropped and not name.startswith(("boto3/data/", "boto3/examples/"))


def merged(wheels: Mapping[str, Mapping[str, bytes]]) -> dict[str, bytes]:
    """Put the kept files of all wheels into one folder, by their paths.

    Args:
        wheels: The content of each wheel, by the wheel's file name.

    Raises:
        DistError: A wheel holds machine code, or two have different files of one name.
    """
    files: dict[str, bytes] = {}
    for wheel, content in sorted(wheels.items()):
        compiled = [name for name in content if name.endswith(MACHINE_CODE)]
        if compiled or not wheel.endswith("-none-any.whl"):
            raise DistError(f"{wheel} is not for every machine: {compiled}")
        for name in filter(kept, content):
            if files.setdefault(name, content[name]) != content[name]:
                raise DistError(f"{wheel} has another {name} than a wheel before it")
    return files


def fetched(lock: Path) -> dict[str, dict[str, bytes]]:
    """Get the wheels of a lock from the package index of this machine.

    Raises:
        DistError: One cannot be had, its hash differs, or there is none without machine code.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        subprocess.run([sys.executable, "-m", "venv", scratch / "venv"], check=True)
        done = subprocess.run(
            [scratch / "venv" / "bin" / "python", "-m", "pip", "--quiet", "download", "--no-deps",
             "--require-hashes", "--only-binary", ":all:", *PURE,
             "--dest", scratch / "wheels", "--requirement", lock],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise DistError(f"pip could not get the wheels of {lock.name}:\n{done.stderr}")
        return {path.name: _content(path) for path in (scratch / "wheels").iterdir()}


def _content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files in the place of all that is in a folder; none of them is a program."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in sorted(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)


def compile_all(checkout: Path) -> None:
    """Put the bytecode beside the sources, the same wherever and whenever it is made."""
    for cache in (checkout / "ecr_publish").rglob("__pycache__"):
        shutil.rmtree(cache)
    subprocess.run(
        [sys.executable, "-S", "-m", "compileall", "-q", "-f", "-s", checkout,
         "--invalidation-mode", "checked-hash", *(checkout / name for name in FOLDERS)],
        # Up to Python 3.10 the order of a set's constants is that of their hashes.
        env={"PYTHONHASHSEED": "0"},
        check=True,
    )  # fmt: skip


def added(checkout: Path) -> dict[str, bytes]:
    """The files that a release adds to a checkout, by their paths there."""
    paths = [*(checkout / "dist").rglob("*"), *(checkout / "ecr_publish").rglob("*.pyc")]
    return {
        path.relative_to(checkout).as_posix(): path.read_bytes()
        for path in sorted(paths)
        if path.is_file()
    }


def checksum(files: Mapping[str, bytes]) -> str:
    """One SHA-256 for the names and the content of all files."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def build(checkout: Path) -> dict[str, bytes]:
    """Make of a checkout what a release is, and give the files that this adds.

    Raises:
        DistError: There is no bundle to be had from the checkout's lock.
    """
    lock = checkout / LOCK
    files = merged(fetched(lock))
    write({**files, lock.name: lock.read_bytes()}, checkout / "dist")
    compile_all(checkout)
    return added(checkout)


def main() -> None:
    """Make the bundle of this checkout and print what it is."""
    files = build(CHECKOUT)
    size = sum(map(len, files.values()))
    sys.stdout.write(f"dist: {len(files)} files, {size} bytes, sha256 {checksum(files)}\n")


if __name__ == "__main__":
    main()

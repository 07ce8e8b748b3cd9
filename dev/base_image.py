"""Base images without Docker Hub, made from packages of the machine's own Debian or Ubuntu.

`VISIT_COUNTER` carries what examples/visit-counter-app needs (about 35 s once, then cached in
.cache/base-images); `TINY` is a busybox with its applets (3 s once, 2 MB), for quick tests.

    python -m dev.base_image visit-counter-base        # into the engine that docker uses
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.root import RootNeededError, as_root

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "base-images"
LABEL = "dev.base-image.definition"

# A base image is not read by people, and it must not carry this machine's name and resolver.
SLIM = (
    "--aptopt=APT::Install-Recommends false",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/apt/sources.list"',
)


class BaseImageError(Exception):
    """A base image could not be made or imported."""


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """What a base image is made of; the same definition is never built twice."""

    name: str
    variant: str
    packages: tuple[str, ...]
    changes: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """The image's name in an engine."""
        return f"{self.name}:local"

    @property
    def definition(self) -> str:
        """A short hash of everything that decides what is in the image."""
        parts = (self.variant, *self.packages, *self.changes, *SLIM, codename())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


VISIT_COUNTER = BaseImage(
    name="visit-counter-base",
    variant="minbase",
    packages=("ca-certificates", "gunicorn", "python3", "python3-flask", "python3-redis"),
    changes=("ENV LANG=C.UTF-8", 'CMD ["python3"]'),
)
TINY = BaseImage(name="tiny-base", variant="extract", packages=("busybox-static",))


def provide(image: BaseImage, environment: Mapping[str, str]) -> str:
    """Have the image in the engine that docker uses in this environment, and give its tag.

    Raises:
        BaseImageError: A package or the engine is missing.
        RootNeededError: Only root may install packages into an image.
    """
    held = subprocess.run(
        ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}',
         image.tag],
        env=dict(environment), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if held.stdout.strip() == image.definition:
        return image.tag
    changes = [*image.changes, f"LABEL {LABEL}={image.definition}"]
    _run(
        ["docker", "import", *(word for change in changes for word in ("--change", change)),
         str(root_filesystem(image)), image.tag],
        environment,
    )  # fmt: skip
    return image.tag


def root_filesystem(image: BaseImage) -> Path:
    """Give the tar of the image's root filesystem, made if it is not in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    cached = CACHE / f"{image.name}-{image.definition}.tar"
    if cached.exists():
        return cached
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        made = Path(directory) / "root.tar"
        _bootstrap(image, made)
        if image.variant == "extract":
            made = _with_applets(made)
        # Renamed when complete: two runs at once, or an interrupted one, leave no half tar.
        made.rename(cached)
    return cached


def codename() -> str:
    """Give the code name of the machine's release, such as `bookworm`."""
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip('"')
    raise BaseImageError("/etc/os-release has no VERSION_CODENAME: is this Debian or Ubuntu?")


def sources() -> str:
    """Give the machine's own apt sources of its release, as one-line entries."""
    listed = _run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Identifier: Packages"],
        os.environ,
    )  # fmt: skip
    release = codename()
    lines = []
    for target in dict.fromkeys(listed.splitlines()):
        uri, suite, component = target.split()
        if suite.split("-")[0] == release:
            lines.append(f"deb {_mirror(uri)} {suite} {component}\n")
    if not lines:
        raise BaseImageError(f"apt's sources name no mirror for {release}")
    return "".join(lines)


def _mirror(uri: str) -> str:
    # GitHub's runners name a file with a list of mirrors, which is not there inside the image.
    if not uri.startswith("mirror+file:"):
        return uri
    listed = Path(uri.removeprefix("mirror+file:").rstrip("/")).read_text(encoding="utf-8")
    return listed.split()[0]


def _bootstrap(image: BaseImage, target: Path) -> None:
    root = as_root("installing packages into a base image")
    slim = SLIM if image.variant == "minbase" else ()
    _run(
        [*root, "mmdebstrap", "--quiet", "--mode=root", f"--variant={image.variant}",
         f"--include={','.join(image.packages)}", *slim, codename(), str(target), "-"],
        # Without TMPDIR, which may be closed to apt's own user; with sbin, which PATH may lack.
        {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
        stdin=sources(),
    )  # fmt: skip


def _with_applets(extracted: Path) -> Path:
    """Keep of an extracted busybox the program alone, and link its applets to it."""
    with tarfile.open(extracted) as packages:
        member = next(m for m in packages if m.isfile() and m.name.endswith("bin/busybox"))
        stream = packages.extractfile(member)
        program = stream.read() if stream else b""
    busybox = extracted.with_name("busybox")
    busybox.write_bytes(program)
    busybox.chmod(0o755)
    applets = _run([str(busybox), "--list"], os.environ).split()
    made = extracted.with_name("tiny.tar")
    with tarfile.open(made, "w") as tar:
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for applet in applets:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            if applet != "busybox":
                tar.addfile(link)
    return made


def _run(command: list[str], environment: Mapping[str, str], *, stdin: str | None = None) -> str:
    try:
        done = subprocess.run(
            command, env=dict(environment), input=stdin, capture_output=True, text=True, check=True
        )
    except FileNotFoundError as error:
        raise BaseImageError(f"{error.filename} is missing: run dev/install.sh") from error
    except subprocess.CalledProcessError as error:
        raise BaseImageError(f"{command[0]} failed:\n{error.stderr[-2000:]}") from error
    return done.stdout


def main(arguments: list[str]) -> int:
    """Import the named base images (all of them by default) and print their tags."""
    images = {image.name: image for image in (VISIT_COUNTER, TINY)}
    parser = argparse.ArgumentParser(prog="python -m dev.base_image", description=main.__doc__)
    parser.add_argument("name", nargs="*", help=f"one of: {', '.join(images)}")
    names = parser.parse_args(arguments).name or list(images)
    if unknown := set(names) - set(images):
        parser.error(f"no such base image: {', '.join(sorted(unknown))}")
    try:
        for name in names:
            sys.stdout.write(provide(images[name], os.environ) + "\n")
    except (BaseImageError, RootNeededError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

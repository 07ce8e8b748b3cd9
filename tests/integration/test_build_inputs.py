"""What a build may be given, on real engines with both image stores: secrets, contexts, caches."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from dev.base_image import TINY, provide
from dev.engine import Engine
from ecr_publish.build import Builder, Built, Remark, Way, way
from ecr_publish.cache import Cache
from ecr_publish.edges.engine import DockerEngine
from ecr_publish.edges.ports import Delivery, Login
from ecr_publish.edges.registry import Clients, EcrRegistry
from ecr_publish.errors import BuildFailed, CacheNotExported, StoreLacks
from ecr_publish.plan import Build, RepositoryState
from ecr_publish.secret import Secret, SecretFile
from local_ecr.server import LocalEcr
from tests.factories import CANDIDATE, NAME, make_build, make_plan, make_state
from tests.fakes import FakeClock
from tests.images import looked
from tests.integration.test_engine import all_arguments, secrets_of, stand_in

pytestmark = pytest.mark.usefixtures("ambient")

containerd_store = pytest.mark.parametrize("engine", ["containerd"], indirect=True)
classic_store = pytest.mark.parametrize("engine", ["classic"], indirect=True)
# The value never stands in a Dockerfile, which shows it turned round.
MOUNT = "RUN --mount=type=secret,id={} rev /run/secrets/{} | sed 's/^/turned: /'\n"
NPM = Secret(id="npm", variable="ECR_PUBLISH_SECRET_1", value="2retnuh")
LINES = Secret(id="key", variable="KEY_OF_THE_JOB", value="eno\nowt\n")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """An engine with a base image, and a checkout to build."""

    engine: Engine
    home: Path
    workspace: Path
    registry: EcrRegistry

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "RUNNER_TEMP": str(self.home / "temp"),
            **self.engine.environment(),
        }

    @property
    def docker(self) -> DockerEngine:
        return DockerEngine(self.environ, FakeClock())

    def dockerfile(self, text: str) -> None:
        (self.workspace / "Dockerfile").write_text(text)

    def build(
        self, state: RepositoryState | None = None, login: Login | None = None, **asked: Any
    ) -> str:
        """Build into the engine; gives what buildx shows."""
        shown = bytearray()
        self._built(make_build(network="none", **asked), state, login, shown)
        return shown.decode()

    def _built(
        self, build: Build, state: RepositoryState | None, login: Login | None, shown: bytearray
    ) -> Built:
        return self.docker.build(
            build,
            state or make_state(),
            CANDIDATE,
            by=Delivery(way=Way.ENGINE, login=login),
            workspace=str(self.workspace),
            write=shown.extend,
        )

    def pushed(self, **asked: Any) -> dict[str, Any]:
        """Build and push; gives the manifest that ECR has."""
        state, login = looked(self.registry), self.registry.login()
        self.build(state, **asked)
        digest = self.docker.push(state, CANDIDATE, login, lambda _: None)
        found: dict[str, Any] = json.loads(self.registry.manifest(digest).text)
        return found

    def files_with(self, *secrets: str) -> list[Path]:
        return [
            path
            for path in (*self.home.rglob("*"), *self.workspace.rglob("*"))
            if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
        ]


@pytest.fixture
def bench(engine: Engine, ecr: LocalEcr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for folder in ("home/temp", "workspace"):
        (tmp_path / folder).mkdir(parents=True)
    boto3.client("ecr").create_repository(repositoryName=NAME)
    boto3.client("ecr").create_repository(repositoryName="caches")
    provide(TINY, {**os.environ, **engine.environment()})
    # Whatever is written for a while is seen there too.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "home" / "temp"))
    registry = EcrRegistry(Clients(boto3.Session(), Config()), make_plan(), lambda _: None)
    return Bench(
        engine=engine,
        home=tmp_path / "home",
        workspace=tmp_path / "workspace",
        registry=registry,
    )


# Secrets ------------------------------------------------------------------------------------------


def mounting(*ids: str) -> str:
    return f"FROM {TINY.tag}\n" + "".join(MOUNT.format(name, name) for name in ids)


def test_s3_secrets__reach_the_build_and_nothing_else(bench: Bench) -> None:
    bench.dockerfile(mounting("npm", "key"))

    with all_arguments() as arguments:
        shown = bench.build(secrets=(NPM, LINES))

    assert printed(shown) == ["turned: hunter2", "turned: one", "turned: two"]
    assert "id=npm,env=ECR_PUBLISH_SECRET_1" in "".join(arguments)
    assert [secret for secret in (NPM.value, "eno\nowt") if secret in "".join(arguments)] == []
    assert bench.files_with(NPM.value, "eno\nowt") == []
    assert NPM.value not in shown


def test_secret_files__are_read_from_the_workspace(bench: Bench) -> None:
    bench.dockerfile(mounting("rc"))
    (bench.workspace / "npm,rc").write_text("elif")

    assert "turned: file" in bench.build(secret_files=(SecretFile(id="rc", path="npm,rc"),))


def test_secret_files__one_that_is_missing_is_named(bench: Bench) -> None:
    bench.dockerfile(mounting("rc"))

    with pytest.raises(BuildFailed, match="buildx build exited") as caught:
        bench.build(secret_files=(SecretFile(id="rc", path="nowhere"),))
    assert "nowhere: no such file" in caught.value.why


NOTING = """
case "$2" in
  inspect) env > {folder}/inspect.env; echo "Driver: docker-container" ;;
  build) env > {folder}/build.env; echo "$@" > {folder}/build.words
    while [ "$1" != --metadata-file ]; do shift; done; cat {folder}/metadata > "$2" ;;
esac
"""
SHORT = base64.b64encode(b"FromAsCasing: 'as' and 'FROM' differ").decode()
METADATA = {
    "buildx.build.warnings": [
        {
            "short": SHORT,
            "url": "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
            "sourceInfo": {"filename": "Dockerfile"},
            "range": [{"start": {"line": 3}, "end": {"line": 3}}],
        }
    ]
}


@pytest.fixture
def noted(tmp_path: Path) -> DockerEngine:
    """A `docker` that notes its words and its environment, as a buildx of today would answer."""
    (tmp_path / "metadata").write_text(json.dumps(METADATA))
    return DockerEngine(stand_in(tmp_path, NOTING.format(folder=tmp_path)), FakeClock())


def stood_in(docker: DockerEngine, folder: Path, **asked: Any) -> Built:
    return docker.build(
        make_build(**asked),
        make_state(),
        CANDIDATE,
        by=Delivery(way=Way.ENGINE),
        workspace=str(folder),
        write=lambda _: None,
    )


def test_s3_secrets__only_the_process_of_the_build_has_them(
    noted: DockerEngine, tmp_path: Path
) -> None:
    assert noted.builder(None) == Builder(driver="docker-container")
    stood_in(noted, tmp_path, secrets=(NPM, LINES))

    assert f"{NPM.variable}={NPM.value}" in (tmp_path / "build.env").read_text().splitlines()
    assert NPM.value not in (tmp_path / "build.words").read_text()
    assert NPM.value not in (tmp_path / "inspect.env").read_text()
    assert NPM.value not in str(vars(noted))


def test_remarks__of_a_buildx_that_notes_them(noted: DockerEngine, tmp_path: Path) -> None:
    built = stood_in(noted, tmp_path)

    url = "https://docs.docker.com/go/dockerfile/rule/from-as-casing/"
    text = f"FromAsCasing: 'as' and 'FROM' differ ({url})"
    assert built.remarks == (Remark(text=text, file="Dockerfile", line=3),)
    assert "BUILDX_METADATA_WARNINGS=1" in (tmp_path / "build.env").read_text().splitlines()


# What else a build may be given -----------------------------------------------------------------


def test_build_contexts__a_folder_and_an_image(bench: Bench) -> None:
    (bench.workspace / "lib").mkdir()
    (bench.workspace / "lib" / "hello").write_text("hello")
    bench.dockerfile("FROM base\nCOPY --from=lib hello /\nRUN cat /hello | sed 's/^/it says: /'\n")

    shown = bench.build(build_contexts=("lib=lib", f"base=docker-image://{TINY.tag}"))

    assert "it says: hello" in shown


def printed(shown: str) -> list[str]:
    """What the instructions have printed, without what buildx says of them."""
    return re.findall(r"^#\d+ \d+\.\d+ (.*)$", shown, re.MULTILINE)


def test_run__limits_and_hosts(bench: Bench) -> None:
    bench.dockerfile(
        f"FROM {TINY.tag}\n"
        "RUN tail -n1 /etc/hosts\nRUN ulimit -S -n\nRUN tail -n+1 /proc/mounts | grep shm\n"
    )

    host, files, shm = printed(
        bench.build(
            add_hosts=("db:10.0.0.7",), ulimit=("nofile=321:654",), shm_size="33m", no_cache=True
        )
    )

    assert host == "10.0.0.7\tdb"
    assert files == "321"
    assert "size=33792k" in shm


def test_no_cache__of_one_stage_or_all(bench: Bench) -> None:
    bench.dockerfile(f"FROM {TINY.tag} AS one\nRUN echo first\nFROM one AS two\nRUN echo second\n")
    bench.build()

    assert printed(bench.build()) == []
    assert printed(bench.build(no_cache_filters=("two",))) == ["second"]
    assert printed(bench.build(no_cache=True)) == ["first", "second"]


@containerd_store
def test_annotations__are_on_the_manifest_that_ecr_has(bench: Bench) -> None:
    bench.dockerfile("FROM scratch\nCOPY Dockerfile /\n")

    found = bench.pushed(annotations=("org.example.team=web, ops",), provenance="false")

    assert found["annotations"]["org.example.team"] == "web, ops"


@containerd_store
def test_annotations__of_an_index_that_is_none_are_refused_in_buildx_s_words(bench: Bench) -> None:
    bench.dockerfile("FROM scratch\nCOPY Dockerfile /\n")

    with pytest.raises(BuildFailed) as caught:
        bench.build(annotations=("index:a=b",), provenance="false")
    assert "index annotations not supported for single platform export" in caught.value.why


@classic_store
@pytest.mark.parametrize("asked", [{"annotations": ("a=b",)}, {"sbom": "true"}])
def test_classic_store__lacks_what_is_said_before(bench: Bench, asked: dict[str, Any]) -> None:
    with pytest.raises(StoreLacks):
        way(make_build(**asked), bench.docker.builder(None), make_state(), CANDIDATE)


# Caches -----------------------------------------------------------------------------------------


def cached_in(ecr: LocalEcr, tag: str, **more: str) -> Cache:
    attributes = {"ref": f"{ecr.host}/caches:{tag}", "mode": "max", **more}
    return Cache(type="registry", attributes=tuple(attributes.items()))


def forget_builds(bench: Bench) -> None:
    subprocess.run(
        ["docker", "builder", "prune", "--all", "--force"],
        env=bench.environ,
        capture_output=True,
        check=True,
    )


@containerd_store
def test_s3_cache__in_the_registry_is_written_and_used_with_the_run_s_own_login(
    bench: Bench, ecr: LocalEcr
) -> None:
    bench.dockerfile(f"FROM {TINY.tag}\nRUN echo long work | tee /work\n")
    state, login, cache = looked(bench.registry), bench.registry.login(), cached_in(ecr, "app")

    first = bench.build(state, login, cache_to=(cache,))
    forget_builds(bench)
    second = bench.build(state, login, cache_from=(cache,))

    assert "exporting cache to registry" in first
    assert "importing cache manifest" in second
    assert (printed(first), printed(second)) == (["long work"], [])
    (held,) = boto3.client("ecr").describe_images(repositoryName="caches")["imageDetails"]
    assert held["artifactMediaType"] == "application/vnd.buildkit.cacheconfig.v0"
    assert bench.files_with(*secrets_of(login)) == []
    assert list((bench.home / "temp").iterdir()) == []


@containerd_store
def test_cache__that_is_not_there_yet_is_no_failure(bench: Bench, ecr: LocalEcr) -> None:
    bench.dockerfile("FROM scratch\nCOPY Dockerfile /\n")
    state, login = looked(bench.registry), bench.registry.login()

    shown = bench.build(state, login, cache_from=(cached_in(ecr, "never"),))

    assert "never: not found" in shown


@containerd_store
def test_cache__of_a_kind_that_ecr_refuses_fails_as_a_build(bench: Bench, ecr: LocalEcr) -> None:
    bench.dockerfile("FROM scratch\nCOPY Dockerfile /\n")
    state, login = looked(bench.registry), bench.registry.login()
    cache = cached_in(ecr, "index", **{"image-manifest": "false"})

    with pytest.raises(BuildFailed) as caught:
        bench.build(state, login, cache_to=(cache,))
    assert "error writing manifest blob" in caught.value.why


@classic_store
def test_cache__that_the_classic_store_cannot_write_is_said_before(
    bench: Bench, ecr: LocalEcr
) -> None:
    asked = make_build(cache_to=(cached_in(ecr, "app"),))

    with pytest.raises(CacheNotExported, match="type=registry"):
        way(asked, bench.docker.builder(None), make_state(), CANDIDATE)

    bench.dockerfile("FROM scratch\nCOPY Dockerfile /\n")
    with pytest.raises(BuildFailed) as caught:
        bench.build(cache_to=asked.cache_to)
    assert "Cache export is not supported for the docker driver" in caught.value.why


def test_cache__that_may_not_be_written_is_a_failed_build_and_no_failed_push(
    tmp_path: Path,
) -> None:
    environ = stand_in(tmp_path, "echo 'ERROR: failed to solve: failed to authorize: no'; exit 1")
    login = Login(username="AWS", password="secret")
    docker = DockerEngine({**environ, "RUNNER_TEMP": str(tmp_path)}, FakeClock())

    with pytest.raises(BuildFailed, match="exited with 1") as caught:
        docker.build(
            make_build(),
            make_state(),
            CANDIDATE,
            by=Delivery(way=Way.ENGINE, login=login),
            workspace=str(tmp_path),
            write=lambda _: None,
        )
    assert "failed to authorize" in caught.value.why

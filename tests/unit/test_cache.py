import csv
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.cache import Cache, exported, quoted
from ecr_publish.reference import ImageReference
from tests.factories import HOST

BARE = f"{HOST}/app:buildcache"
IMAGE = ImageReference(HOST, "app", "buildcache")


@pytest.mark.parametrize(
    ("line", "kind", "attributes"),
    [
        ("type=gha", "gha", ()),
        ("type=gha,scope=app", "gha", (("scope", "app"),)),
        ("scope=app,Type=gha,MODE=max", "gha", (("scope", "app"), ("mode", "max"))),
        (BARE, "registry", (("ref", BARE),)),
        (f"type=registry,ref={BARE}", "registry", (("ref", BARE),)),
        ('type=local,"dest=a,b"', "local", (("dest", "a,b"),)),
        ("type=local,dest=a=b", "local", (("dest", "a=b"),)),
    ],
)
def test_parse__taken(line: str, kind: str, attributes: tuple[tuple[str, str], ...]) -> None:
    assert Cache.parse(line) == Cache(type=kind, attributes=attributes)


NEITHER = "a line is neither type=…,name=value,… nor the reference of an image"
NO_TAG = "the reference's tag is none (host/repository:tag)"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("mode=max", NEITHER),
        ("type=", NEITHER),
        ("type=gha,max", NEITHER),
        ("a/b,c/d", NEITHER),
        ('type=gha,"scope=a', "a line is not CSV (type=…,name=value,…)"),
        ("type=gha,scope=a\nb", "a line is not CSV (type=…,name=value,…)"),
        ("", NEITHER),
        (f"{BARE}:again", NO_TAG),
        (f"type=registry,ref={BARE}:again", NO_TAG),
    ],
)
def test_parse__refused(line: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Cache.parse(line)
    assert str(caught.value) == problem


@pytest.mark.parametrize("name", ["secret_access_key", "session_token", "token", "ghtoken"])
def test_s3_parse__credentials_come_into_no_command_line(name: str) -> None:
    with pytest.raises(ValueError, match=f"holds {name}, which") as caught:
        Cache.parse(f"type=s3,bucket=b,{name.upper()}=hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("line", ["type=s3,secret_access_key=hunter2,hunter2", 'type=s3,"hunter2'])
def test_s3_parse__what_cannot_be_read_is_not_shown(line: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Cache.parse(line)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "image"),
    [
        (BARE, IMAGE),
        (f"type=registry,mode=max,ref={BARE}", IMAGE),
        ("type=registry", None),
        (f"type=inline,ref={BARE}", None),
        ("type=gha", None),
    ],
)
def test_image__of_a_registry_s_cache(line: str, image: ImageReference | None) -> None:
    assert Cache.parse(line).image == image


def test_str__as_buildx_reads_it() -> None:
    assert str(Cache.parse("Scope=app,type=gha")) == "type=gha,scope=app"
    assert str(Cache.parse(BARE)) == f"type=registry,ref={BARE}"


@given(st.text(st.characters(exclude_characters="\0\r\n"), min_size=1))
def test_quoted__is_one_field_again(text: str) -> None:
    assert next(csv.reader([f"a=b,{quoted(f'x={text}')}"], strict=True)) == ["a=b", f"x={text}"]


OWN = "127.0.0.1:5000"
FOR_ECR = ",image-manifest=true,oci-mediatypes=true"


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (BARE, f"type=registry,ref={BARE}{FOR_ECR}"),
        (f"type=registry,ref={BARE},mode=max", f"type=registry,ref={BARE},mode=max{FOR_ECR}"),
        (f"{OWN}/app:cache", f"type=registry,ref={OWN}/app:cache{FOR_ECR}"),
        (
            f"type=registry,ref={BARE},image-manifest=false",
            f"type=registry,ref={BARE},image-manifest=false,oci-mediatypes=true",
        ),
        (
            f"type=registry,ref={BARE},oci-mediatypes=false,image-manifest=true",
            f"type=registry,ref={BARE},oci-mediatypes=false,image-manifest=true",
        ),
        ("ghcr.io/org/app:cache", "type=registry,ref=ghcr.io/org/app:cache"),
        ("org/app:cache", "type=registry,ref=org/app:cache"),
        ("type=gha", "type=gha"),
        ("type=inline", "type=inline"),
    ],
)
def test_exported__is_what_ecr_takes(line: str, written: str) -> None:
    assert str(exported(Cache.parse(line), OWN)) == written


def test_image__no_other_type_has_one() -> None:
    kinds: list[Any] = ["gha", "local", "s3", "azblob", "inline"]
    assert not [kind for kind in kinds if Cache.parse(f"type={kind},ref={BARE}").image]

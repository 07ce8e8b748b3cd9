import pytest

from ecr_publish.hosts import Kind
from ecr_publish.reference import Digest, FullTag, ImageReference, RegistryId, Repository, Tag

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
HEX = "0123456789abcdef" * 4


def test_digest__is_kept_and_shown() -> None:
    digest = Digest.parse(f"sha256:{HEX}")
    assert digest == Digest(f"sha256:{HEX}")
    assert str(digest) == f"sha256:{HEX}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX.upper()}",
        f"sha512:{HEX}",
        f" sha256:{HEX}",
        f"sha256:{HEX}\n",
        f"sha256:{HEX[:-1]}g",
    ],
)
def test_digest__refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a digest \(sha256: and 64 hexadecimal digits\)"):
        Digest.parse(text)


@pytest.mark.parametrize("text", ["1", "_", "latest", "v1.4.2", "A-b_c.d", "9" * 128])
def test_tag__taken(text: str) -> None:
    assert str(Tag.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "9" * 129, ".hidden", "-flag", "a b", "a/b", "a:b", "a@b", "é", "tag\n", "{sha}", "a*"],
)
def test_tag__refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a tag") as caught:
        Tag.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["ab", "a/b", "team/app", "a.b_c-d/e1", "dkr-ecr-proxy", "team/dkr.ecr", "9" * 256],
)
def test_repository__taken(text: str) -> None:
    assert str(Repository.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["a", "9" * 257, "App", "a//b", "/a", "a/", "a..b", "a__b", "-ab", "ab-", "a b", "app\n", "é1"],
)
def test_repository__not_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a repository name") as caught:
        Repository.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f"{HOST}/team/app", "team/app"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws/app", "app"),
        (f"https://{HOST}/app", "app"),
        (f"{HOST}/app@sha256:{HEX}", "app"),
        (HOST, "my-app"),
        ("app:1.0", "app"),
        ("team/app:1.0", "team/app"),
        ("localhost:5000/team/app", "team/app"),
        ("arn:aws:ecr:eu-west-1:123456789012:repository/team/app", "team/app"),
        (":1.0", "my-app"),
    ],
)
def test_repository__more_than_a_name(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match="holds more than the repository's name") as caught:
        Repository.parse(text)
    assert f"for example {hint!r} " in str(caught.value)


def test_repository__public() -> None:
    with pytest.raises(ValueError, match="ECR Public, which cannot scan images"):
        Repository.parse("public.ecr.aws/a1b2c3/app")


def test_registry__account() -> None:
    assert RegistryId.parse("123456789012") == RegistryId("123456789012", None, None)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (HOST, "eu-west-1"),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        ("123456789012.dkr-ecr-fips.us-gov-east-1.on.aws", "us-gov-east-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1"),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
    ],
)
def test_registry__host(host: str, region: str) -> None:
    assert RegistryId.parse(host) == RegistryId("123456789012", host, region)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345678901",
        "1234567890123",
        "123456789012\n",
        f"{HOST}/app",
        f"https://{HOST}",
        f"{HOST}.example",
        f"{HOST}:443",
        "123456789012.dkr.ecr.eu-west-1.amazonawsXcom",
        "public.ecr.aws",
        "docker.io",
    ],
)
def test_registry__refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a 12-digit account id nor a private ECR"):
        RegistryId.parse(text)


def test_registry__host_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="is no registry's host"):
        RegistryId.parse("123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("123456789012", Kind()),
        (HOST, Kind()),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", Kind(fips=True)),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", Kind(dual_stack=True)),
    ],
)
def test_registry__kind_of_its_host(text: str, kind: Kind) -> None:
    assert RegistryId.parse(text).kind == kind


def test_full_tag__plain() -> None:
    assert FullTag.parse("1.4.2") == FullTag(Tag("1.4.2"), None, None)


@pytest.mark.parametrize(
    ("text", "host", "repository"),
    [
        (f"{HOST}/team/app:1.4.2", HOST, "team/app"),
        ("localhost/app:1.4.2", "localhost", "app"),
        ("registry:5000/app:1.4.2", "registry:5000", "app"),
    ],
)
def test_full_tag__reference(text: str, host: str, repository: str) -> None:
    assert FullTag.parse(text) == FullTag(Tag("1.4.2"), host, repository)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("app:1.0", "is not a tag"),
        (f"{HOST}/app", "is a reference without a tag"),
        (f"{HOST}/app:", "'' is not a tag"),
        (f"{HOST}/app:a b", "'a b' is not a tag"),
        ("team/app:1.0", "neither a tag nor a full reference"),
        ("feature/x", "neither a tag nor a full reference"),
        ("/app:1.0", "neither a tag nor a full reference"),
    ],
)
def test_full_tag__refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        FullTag.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r.io/team/app:1", ("r.io", "team/app", "1")),
        ("r.io/app", ("r.io", "app", "latest")),
        ("127.0.0.1:5000/app:1", ("127.0.0.1:5000", "app", "1")),
        ("localhost/app:1", ("localhost", "app", "1")),
        ("R.io:443/app:1", ("r.io", "app", "1")),
        ("r.io./app:1", ("r.io", "app", "1")),
        ("r.io.:443/app:1", ("r.io", "app", "1")),
        ("r.io:4430/app:1", ("r.io:4430", "app", "1")),
        ("team/app:1", ("", "team/app", "1")),
        ("app", ("", "app", "latest")),
        (f"r.io/app:1@sha256:{'0' * 64}", ("r.io", "app", "1")),
        ("", ("", "", "latest")),
    ],
)
def test_image_reference__by_docker_s_rules(text: str, expected: tuple[str, str, str]) -> None:
    found = ImageReference.parse(text)
    assert (found.host, found.repository, found.tag) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", True),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", True),
        ("public.ecr.aws", False),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.example", False),
        # AWS may have it by the time, and what is in it is ours all the same.
        ("123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com", True),
        ("123456789012", False),
        ("", False),
    ],
)
def test_registry_id__is_host(text: str, expected: bool) -> None:  # noqa: FBT001
    assert RegistryId.is_host(text) is expected

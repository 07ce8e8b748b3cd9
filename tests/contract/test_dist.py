"""Which files of the locked wheels are in the bundle of a release."""

from __future__ import annotations

import pytest

from dev.dist import DistError, checksum, kept, merged

WHEEL = "docker-7.2.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "name",
    [
        "six.py",
        "docker/__init__.py",
        "docker/tls/tests.py",
        "certifi/cacert.pem",
        "boto3/docs/docstring.py",
        "botocore/cacert.pem",
        "botocore/data/endpoints.json",
        "botocore/data/partitions.json",
        "botocore/data/_retry.json",
        "botocore/data/sdk-default-configuration.json",
        "botocore/data/ecr/2015-09-21/service-2.json.gz",
        "botocore/data/ecr/2015-09-21/endpoint-rule-set-1.json.gz",
        "botocore/data/inspector2/2020-06-08/paginators-1.sdk-extras.json",
        "botocore/data/sso/2019-06-10/service-2.json.gz",
        "botocore/data/sso-oidc/2019-06-10/service-2.json.gz",
        "botocore/data/sts/2011-06-15/service-2.json.gz",
        "boto3-1.44.5.dist-info/METADATA",
        "boto3-1.44.5.dist-info/LICENSE",
        "boto3-1.44.5.dist-info/NOTICE",
        "s3transfer-0.19.3.dist-info/NOTICE.txt",
        "old-1.0.dist-info/LICENCE.md",
        "old-1.0.dist-info/AUTHORS",
        "requests-2.34.2.dist-info/licenses/LICENSE",
    ],
)
def test_kept__code_data_of_our_services_and_licences(name: str) -> None:
    assert kept(name)


@pytest.mark.parametrize(
    "name",
    [
        "tests/__init__.py",
        "certifi/tests/test_certify.py",
        "botocore/data/ec2/2016-11-15/service-2.json.gz",
        "botocore/data/ecr-public/2020-10-30/service-2.json.gz",
        "botocore/data/signin/2023-01-01/service-2.json.gz",
        "botocore/data/ecr/2015-09-21/examples-1.json",
        "boto3/data/ec2/2016-11-15/resources-1.json",
        "boto3/examples/s3.rst",
        "jmespath-1.1.0.data/scripts/jp.py",
        "boto3-1.44.5.dist-info/RECORD",
        "boto3-1.44.5.dist-info/WHEEL",
        "boto3-1.44.5.dist-info/top_level.txt",
        "charset_normalizer-3.5.2.dist-info/entry_points.txt",
    ],
)
def test_kept__nothing_else(name: str) -> None:
    assert not kept(name)


def test_merged__has_the_kept_files_of_all_wheels() -> None:
    six = {"six.py": b"six", "six-1.17.0.dist-info/RECORD": b"differs"}
    assert merged({"six-1.17.0-py2.py3-none-any.whl": six, WHEEL: {"docker/tls.py": b"tls"}}) == {
        "six.py": b"six",
        "docker/tls.py": b"tls",
    }


@pytest.mark.parametrize(
    ("wheel", "name"),
    [
        (WHEEL, "docker/fast.cpython-310-x86_64-linux-gnu.so"),
        (WHEEL, "docker/fast.pyd"),
        ("docker-7.2.0-cp310-cp310-manylinux_2_17_x86_64.whl", "docker/__init__.py"),
        ("docker-7.2.0-py3-none-manylinux_2_17_x86_64.whl", "docker/__init__.py"),
    ],
)
def test_merged__refuses_machine_code(wheel: str, name: str) -> None:
    with pytest.raises(DistError, match="is not for every machine"):
        merged({wheel: {name: b""}})


def test_merged__refuses_two_files_of_one_name() -> None:
    wheels = {f"{name}-1-py3-none-any.whl": {"shared.py": name.encode()} for name in "ab"}

    with pytest.raises(DistError, match=r"^b-1.* has another shared\.py"):
        merged(wheels)


def test_checksum__knows_names_and_content_and_no_order() -> None:
    files = {"a": b"1", "b": b"2"}
    assert checksum(files) == checksum(dict(reversed(files.items())))
    others = ({"a": b"2", "b": b"1"}, {"a": b"1", "c": b"2"}, {"a": b"1"})
    assert checksum(files) not in map(checksum, others)

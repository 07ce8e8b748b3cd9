"""Presets that answer as the samples of real answers in reference/samples do, and named so. Pure.

`-AMBIGUOUS` ones go on to the truth; `.page1` and `.page2` are one preset, `-pages`.
"""

from __future__ import annotations

from typing import Any

from local_ecr.scan_preset import (
    CLEAN,
    EMPTY,
    MISSING,
    NOTHING_YET,
    PENDING,
    PREMATURE,
    RUN,
    Preset,
)
from local_ecr.scan_script import SETTLED, UNSUPPORTED, Answer
from local_ecr.vulnerabilities import Package, Vulnerability

_UBUNTU = "http://people.ubuntu.com/~ubuntu-security/cve/"


def _finding(name: str, severity: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as on the wire
    attributes = [{"key": key, "value": value} for key, value in more.pop("values").items()]
    return {"name": name, "severity": severity, "attributes": attributes} | more


_E2FSPROGS = _finding(
    "CVE-2019-5188",
    "MEDIUM",
    description="A code execution vulnerability exists in the directory rehashing functionality "
    "of E2fsprogs e2fsck 1.45.4. A specially crafted ext4 directory can cause an out-of-bounds "
    "write on the stack, resulting in code execution. An attacker can corrupt a partition to "
    "trigger this vulnerability.",
    uri=_UBUNTU + "CVE-2019-5188",
    values={
        "package_version": "1.44.1-1ubuntu1.1",
        "package_name": "e2fsprogs",
        "CVSS2_VECTOR": "AV:L/AC:L/Au:N/C:P/I:P/A:P",
        "CVSS2_SCORE": "4.6",
    },
)
_XZ = _finding(
    "CVE-2020-22916",
    "MEDIUM",
    uri=_UBUNTU + "CVE-2020-22916",
    values={
        "CVSS3_SCORE": "5.5",
        "package_version": "5.2.4-1ubuntu1.1",
        "package_name": "xz-utils",
    },
)
_MUSL = _finding(
    "CVE-2020-28928",
    "LOW",
    uri="https://cve.mitre.org/cgi-bin/cvename.cgi?name=CVE-2020-28928",
    values={"package_name": "musl"},
)
_UNDEFINED = _finding("CVE-2023-0000", "UNDEFINED", values={"package_name": "libexample"})

_LIBXML2 = Vulnerability(
    id="CVE-2022-49043",
    severity="HIGH",
    package=Package(name="libxml2", version="2.9.14+dfsg-1.3~deb12u1"),
    text="xmlXIncludeAddNode in xinclude.c in libxml2 before 2.11.0 has a use-after-free.",
)
_PERL = Vulnerability(
    id="CVE-2026-0001",
    severity="CRITICAL",
    package=Package(name="perl", version="5.36.0-7+deb12u1", fixed_in="0:5.36.0-7+deb12u3"),
)
_ZLIB = Vulnerability(
    id="CVE-2026-11111",
    severity="UNTRIAGED",
    package=Package(name="zlib", version="1:1.2.13.dfsg-1"),
)
_CURL = Vulnerability(
    id="CVE-2026-22222",
    severity="MEDIUM",
    package=Package(name="curl", version="7.88.1-10+deb12u5", partly_fixed=True),
)

_ONE = Answer(status=SETTLED, vulnerabilities=(_LIBXML2,))
_TWO = Answer(status="COMPLETE", vulnerabilities=(_LIBXML2, _PERL))
_UNTRIAGED = Answer(status=SETTLED, vulnerabilities=(_ZLIB, _CURL))
_FOUR = Answer(status=SETTLED, findings=(_E2FSPROGS, _XZ, _MUSL, _UNDEFINED), page_size=2)
_UNSUPPORTED = (1.0, Answer(status=UNSUPPORTED))
_NOT_YET = (MISSING, PENDING)

_BASIC: dict[str, Preset] = {
    "basic-complete-clean": Preset("no finding", (RUN, (1, CLEAN))),
    "basic-complete": Preset(
        "the medium finding of the API reference",
        (RUN, (1, Answer(status=SETTLED, findings=(_E2FSPROGS,)))),
    ),
    "basic-complete-pages": Preset("4 findings on 2 pages, one UNDEFINED", (RUN, (1, _FOUR))),
    "basic-in-progress": Preset("IN_PROGRESS for ever", ((0, Answer(status="IN_PROGRESS")),)),
    "basic-start-image-scan": Preset(
        "no scan until StartImageScan, then clean", (MISSING,), by_hand=(RUN, (1, CLEAN))
    ),
    "basic-failed-unsupported": Preset(
        "FAILED and null findings: no such operating system", (RUN, _UNSUPPORTED)
    ),
}
_ENHANCED: dict[str, Preset] = {
    "enhanced-pending": Preset("PENDING for ever", (MISSING, PENDING), enhanced=True),
    "enhanced-active": Preset(
        "the high finding of the API reference", (*_NOT_YET, (1, _ONE)), enhanced=True
    ),
    "enhanced-active-clean": Preset(
        "no finding, and no enhancedFindings", (*_NOT_YET, (1, CLEAN)), enhanced=True
    ),
    "enhanced-active-empty-ambiguous": Preset(
        "ACTIVE but not finished, then the high finding",
        (*_NOT_YET, (0.5, EMPTY), (1, _ONE)),
        enhanced=True,
    ),
    "enhanced-complete-premature-ambiguous": Preset(
        "COMPLETE and empty, then a high and a critical finding",
        (*_NOT_YET, (0.5, PREMATURE), (1, _TWO)),
        enhanced=True,
    ),
    "enhanced-complete-scan-on-push": Preset(
        "COMPLETE with a high and a critical finding", (*_NOT_YET, (1, _TWO)), enhanced=True
    ),
    "enhanced-eligibility-expired": Preset(
        "SCAN_ELIGIBILITY_EXPIRED at once",
        ((0, Answer(status="SCAN_ELIGIBILITY_EXPIRED")),),
        enhanced=True,
    ),
    "enhanced-unsupported": Preset("UNSUPPORTED_IMAGE", (*_NOT_YET, _UNSUPPORTED), enhanced=True),
    "enhanced-untriaged": Preset(
        "an UNTRIAGED finding and a medium one with a PARTIAL fix",
        (*_NOT_YET, (1, _UNTRIAGED)),
        enhanced=True,
    ),
}
_MULTIARCH: dict[str, Preset] = {
    "multiarch-child-amd64-scan": Preset(
        "the high finding of the API reference", (*_NOT_YET, (1, _ONE)), enhanced=True
    ),
    "multiarch-child-arm64-scan": Preset("no finding", (*_NOT_YET, (1, CLEAN)), enhanced=True),
    "multiarch-child-attestation-basic-failed": Preset(
        "FAILED and null findings", (RUN, _UNSUPPORTED)
    ),
    "multiarch": Preset(
        "linux/amd64 has the high finding, other platforms none",
        (*_NOT_YET, (1, CLEAN)),
        platforms=(("linux/amd64*", "multiarch-child-amd64-scan"),),
        enhanced=True,
    ),
    "multiarch-arm64-vulnerable": Preset(
        "linux/arm64 has the high finding, other platforms none",
        (*_NOT_YET, (1, CLEAN)),
        platforms=(("linux/arm64*", "multiarch-child-amd64-scan"),),
        enhanced=True,
    ),
    "multiarch-one-missing": Preset(
        "linux/arm64 is never scanned, other platforms are clean",
        (*_NOT_YET, (1, CLEAN)),
        platforms=(("linux/arm64*", "multiarch-child-never-found"),),
        enhanced=True,
    ),
    "multiarch-child-never-found": Preset(
        "no scan until StartImageScan, then the high finding",
        (MISSING,),
        by_hand=((0, NOTHING_YET), (1, _ONE)),
        enhanced=True,
    ),
}
SAMPLE_PRESETS = {**_BASIC, **_ENHANCED, **_MULTIARCH}

"""An Amazon ECR on the laptop, for the demo and the tests; production code never imports it.

One process, one port of 127.0.0.1: the ECR API, Inspector's ListCoverage and
BatchGetFindingDetails, and STS for AWS clients, the registry itself for docker, S3's part in pulls
(the URLs of GetDownloadUrlForLayer), GitHub's OIDC endpoint with tokens that are really signed, and
`/_local` for scripts:

    GET  /_local/health          {"status": "ok"}
    GET  /_local/calls           every call: operation, repository, time, status, error
    GET  /_local/scans           per digest: startedAt, finalAt (null: never), final status, byHand
    POST /_local/fail            {"operation": "PutImage", "code": "ThrottlingException",
                                  "times": 2, "message": null, "status": null}
    POST /_local/latency         {"operation": "*", "seconds": 0.3}
    POST /_local/scenario        a scenario as below, or the JSON string of a preset's name
    POST /_local/expire-tokens   registry passwords handed out so far expire
    POST /_local/reset           forgets calls, faults and latencies; images stay

Operations are named as in the AWS API; those of the registry are v2.Ping, v2.HeadBlob, v2.GetBlob,
v2.StartUpload, v2.UploadChunk, v2.FinishUpload, v2.HeadManifest, v2.GetManifest, v2.PutManifest,
v2.ListTags; S3's is GetObject, GitHub's GetIdToken. `*` and `?` are allowed in a fault's operation.
A code is what the wire shows (AccessDeniedException; DENIED and TOOMANYREQUESTS for v2; SlowDown
for S3) or ConnectionReset.
So `{"operation": "DescribeImageScanFindings", "code": "ThrottlingException", "times": 3}` throttles
the next three polls, and `{"operation": "Get*Configuration", "code": "AccessDeniedException",
"times": 999}` takes a permission away.

In Python, `with ecr.hold("PutImage", when="after") as held:` stops a call on its way, so that a
test can kill who made it (`held.wait()`, then `held.release()` or `held.drop()`).

A scenario says what scans answer. A script is the name of a preset or a list of steps; the first
rule that matches digest, repository, tag and platform (patterns, all optional) gives the script:

    {"default": "clean",
     "rules": [{"repository": "team/*", "tag": "v1*", "platform": "linux/arm64",
                "script": [{"after": 0, "status": "NOT_FOUND"},
                           {"after": 1, "status": "IN_PROGRESS"},
                           {"after": 3, "status": "COMPLETE", "counts": {"HIGH": 2, "LOW": 7}}]}],
     "switches": {"repush_docker": "accept"},
     "trust": {"denied_roles": ["stranger"], "claims": {"sub": "repo:org/repo:pull_request"}},
     "policy": {"Version": "2012-10-17", "Statement": [
         {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}]}}

`after` are seconds since the push. `status` is one of ECR's or NOT_FOUND, RUNNING, SETTLED,
UNSUPPORTED, which are worded for the engine that is on. A step may have `description`,
`completed` (false: looks clean but is not finished; true: finished, whatever the status),
`counts` (findings are made up; any word is a severity) or `findings` / `enhancedFindings` as they
shall be on the wire. And further:

    suppressed, closed      as `counts`: enhanced findings that Inspector does not count as active
    vulnerabilities         findings that are spelled out, as below
    layer                   which layer of the image brought all packages of the step: a number from
                            1, first, last, unknown (a hash that no layer of the image has), absent
                            (no sourceLayerHash); default: spread (first finding, first layer, ...)
    bare: true              made-up findings have nothing but id and severity
    worst_last: true        made-up findings in the other order
    findingSeverityCounts   as they shall be on the wire, true or not; null leaves them out
    page_size               findings on a page at most, whatever maxResults says
    age_seconds             the result is so old: {"after": 0, "age_seconds": 3456000, ...} was
                            there before the push, and needs no scan on push to be there
    completed_after         imageScanCompletedAt in seconds since the push; default: `after`
    error                   a code to refuse this image's DescribeImageScanFindings with
    coverage                what ListCoverage says, true or not: a reason, or any of {"reason":
                            "SUCCESSFUL", "statusCode": "ACTIVE", "lastScannedAfter": -60 (seconds
                            since the push; null: none), "listed": false}
    reads                   a list of what the first reads show instead, each as a step that is like
                            this one but for the keys it has; a read is over with its last page
    cycle: true             `reads` begin again, for ever
    later_pages             what the pages after the first are cut out of, written like a read

    {"after": 2, "status": "SETTLED", "counts": {"CRITICAL": 1, "LOW": 150},
     "reads": [{"counts": {"LOW": 150}, "later_pages": {"counts": {"CRITICAL": 1, "LOW": 150}}}]}

Beside `script`, a rule may have `by_hand`, beside `default` a scenario: what a scan that
StartImageScan began answers, in seconds since then; else it is the same. {"script": "old-scan",
"by_hand": "vulnerable"} was clean long ago and is not any more; {"script": "never-found",
"by_hand": "clean"} waits to be asked for. A new scan is refused within 24 hours of the last, which
an old result, `age_seconds` before the push, or a script that is NOT_FOUND for ever is not.

What is said of one of `vulnerabilities` is so, the rest is made up: {"severity": "LOW"} is the
first one of {"counts": {"LOW": 1}}, or the next one after those of `counts` beside it. It may have
`id`, `severity` (always), `text`, `state`, `exploited`, `package`, `version`, `fixed_in` (null:
none), `manager`, `path`, `layer`, or `packages`, a list with `name` and the same keys. And what
BatchGetFindingDetails answers, of enhanced scans only:

    epss                    a number; default: there is none
    kev                     true: in CISA's catalogue, with all members; or those that shall be
                            there, of {"dateAdded": "2026-06-01", "dateDue": "2026-06-22",
                            "action": "..."}
    details_error           a code, such as INTERNAL_ERROR: an error instead of details

    {"after": 2, "status": "SETTLED", "layer": "last", "vulnerabilities": [
        {"severity": "LOW", "kev": true, "epss": 0.94, "layer": "first"},
        {"id": "CVE-2026-1", "severity": "HIGH", "epss": 0.01, "packages": [
            {"name": "zlib", "version": "1.2", "layer": 1},
            {"name": "minizip", "version": "1.2", "fixed_in": "1.3"}]}]}

The same script finds the same in two images: ids, packages, paths; findingArn and sourceLayerHash
are those of the image. Rules by digest or tag let two images of one repository differ. A digest is
the better one, as it stays where it is: push, then {"default": ..., "rules": [{"digest": digest,
"script": ...}]}.

`policy` is what all roles may do, as IAM writes it, without it everything: on the API, through
docker (a registry password is its session's) and at Inspector. The Policy of a session narrows it
further. Conditions and the like are refused. Who has not assumed a role may do everything.

Switches and trust: see local_ecr.scans.Switches and local_ecr.scans.Trust. How a repository is
scanned is up to its scanOnPush and to PutRegistryScanningConfiguration (in Python: `set_rules`).
"""

from local_ecr.registry import Place
from local_ecr.scans import PRESETS, Scenario
from local_ecr.server import LocalEcr

__all__ = ["PRESETS", "LocalEcr", "Place", "Scenario"]

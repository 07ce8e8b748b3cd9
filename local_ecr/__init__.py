"""An Amazon ECR on the laptop, for the demo and the tests; production code never imports it.

One process, one port of 127.0.0.1: the ECR API and STS for AWS clients, the registry itself for
docker, GitHub's OIDC endpoint with tokens that are really signed, and `/_local` for scripts:

    GET  /_local/health          {"status": "ok"}
    GET  /_local/calls           every call: operation, repository, time, status, error
    GET  /_local/scans           per digest: startedAt, finalAt (null: never), final status
    POST /_local/fail            {"operation": "PutImage", "code": "ThrottlingException",
                                  "times": 2, "message": null, "status": null}
    POST /_local/latency         {"operation": "*", "seconds": 0.3}
    POST /_local/scenario        a scenario as below, or the JSON string of a preset's name
    POST /_local/expire-tokens   registry passwords handed out so far expire
    POST /_local/reset           forgets calls, faults and latencies; images stay

Operations are named as in the AWS API; those of the registry are v2.Ping, v2.HeadBlob, v2.GetBlob,
v2.StartUpload, v2.UploadChunk, v2.FinishUpload, v2.HeadManifest, v2.GetManifest, v2.PutManifest,
v2.ListTags; GitHub's is GetIdToken. `*` and `?` are allowed in a fault's operation. A code is
what the wire shows (AccessDeniedException; DENIED and TOOMANYREQUESTS for v2) or ConnectionReset.

A scenario says what scans answer. A script is the name of a preset or a list of steps; the first
rule that matches digest, repository, tag and platform (patterns, all optional) gives the script:

    {"default": "clean",
     "rules": [{"repository": "team/*", "tag": "v1*", "platform": "linux/arm64",
                "script": [{"after": 0, "status": "NOT_FOUND"},
                           {"after": 1, "status": "IN_PROGRESS"},
                           {"after": 3, "status": "COMPLETE", "counts": {"HIGH": 2, "LOW": 7}}]}],
     "switches": {"repush_docker": "accept"},
     "trust": {"denied_roles": ["stranger"], "claims": {"sub": "repo:org/repo:pull_request"}}}

`after` are seconds since the push. `status` is one of ECR's or NOT_FOUND, RUNNING, SETTLED,
UNSUPPORTED, which are worded for the engine that is on. A step may have `description`,
`completed` (false: looks clean but is not finished), `counts` (findings are made up) or
`findings` / `enhancedFindings` as they shall be on the wire. Switches and trust: see
local_ecr.scans.Switches and local_ecr.scans.Trust.
"""

from local_ecr.registry import Place
from local_ecr.scans import PRESETS, Scenario
from local_ecr.server import LocalEcr

__all__ = ["PRESETS", "LocalEcr", "Place", "Scenario"]

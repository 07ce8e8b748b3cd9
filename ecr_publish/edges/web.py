"""HTTP by requests, for what no SDK asks: GitHub's OIDC endpoint, and blobs behind ECR's links."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


def retrying(retry: Retry) -> requests.Session:
    """A session that tries again as told, and sends no credentials but those it is given.

    Without an `auth` of its own, requests would put a ~/.netrc entry into the header.
    """
    session = requests.Session()
    session.auth = lambda request: request
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    "touch",
    [
        pytest.param(socket.socket, id="socket"),
        pytest.param(lambda: socket.create_connection(("127.0.0.1", 9)), id="connection"),
        pytest.param(lambda: socket.getaddrinfo("example.org", 443), id="name-lookup"),
        pytest.param(lambda: subprocess.run([sys.executable, "-V"], check=True), id="subprocess"),
        pytest.param(lambda: os.system("true"), id="shell"),  # noqa: S605
        pytest.param(os.fork, id="fork"),
    ],
)
def test_guard__world(touch: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="a unit test touched the world"):
        touch()

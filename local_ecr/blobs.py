"""Blobs and uploads as files in a folder of their own, so that a big layer needs no memory."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

CHUNK = 1 << 20


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class Upload:
    """A blob on its way in: appended to piece by piece, hashed as it comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hash: _Hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The digest of what has come so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def append(self, stream: IO[bytes]) -> None:
        """Add all that the stream has."""
        with self.path.open("ab") as file:
            while piece := stream.read(CHUNK):
                file.write(piece)
                self._hash.update(piece)
                self.size += len(piece)


class BlobFiles:
    """All blobs of the registry, by digest. Which repository has which is the image store's."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="local-ecr-")
        self._root = Path(self._folder.name)
        self._uploads: dict[str, Upload] = {}

    def close(self) -> None:
        """Delete everything."""
        self._folder.cleanup()

    def path(self, digest: str) -> Path:
        """Where the blob is, or would be; the digest must be a checked one."""
        return self._root / digest.replace(":", "-")

    def start(self) -> str:
        """Open an upload and return its id."""
        upload_id = str(uuid.uuid4())
        self._uploads[upload_id] = Upload(self._root / f"upload-{upload_id}")
        self._uploads[upload_id].path.touch()
        return upload_id

    def upload(self, upload_id: str) -> Upload | None:
        """The open upload with this id."""
        return self._uploads.get(upload_id)

    def cancel(self, upload_id: str) -> None:
        """Throw an upload away."""
        upload = self._uploads.pop(upload_id, None)
        if upload:
            upload.path.unlink(missing_ok=True)

    def finish(self, upload_id: str) -> str:
        """Turn an upload into a blob and return its digest."""
        upload = self._uploads.pop(upload_id)
        upload.path.replace(self.path(upload.digest))
        return upload.digest

    def read(self, digest: str) -> Iterator[bytes]:
        """The blob piece by piece."""
        with self.path(digest).open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece

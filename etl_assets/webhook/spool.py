"""Calls on disk while the database is away: a file a group, durable before anyone is answered.

When calls are spooled, and when they are landed from here, is decided in `keeper.py`.
"""

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from etl_assets.webhook.calls import Call

_DIGEST_BYTES: Final = 32
_DONE, _PART, _BROKEN = ".calls", ".part", ".broken"


class SpoolFull(Exception):
    """The spool has no room within its bound."""


class Spool:
    """A folder of calls that are to be landed, at most `most` bytes; only its owner can read it.

    Two services may share it: what is landed twice is in the table once.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.glob(f"*{_PART}"):  # of a service that was killed before its answer
            if left.stat().st_mtime < time.time() - 60:
                left.unlink(missing_ok=True)
        self._counting = threading.Lock()
        self.measure()

    def measure(self) -> None:
        """Count what is there, also what another service has put or taken."""
        with self._counting:
            sizes = [size for file in self.files() if (size := _size_of(file)) is not None]
            self.bytes, self.count_of_files = sum(sizes), len(sizes)

    @property
    def has_room(self) -> bool:
        """Whether another group may be put, of any usual size."""
        return self.bytes < self._most

    def put(self, calls: Sequence[Call]) -> None:
        """Write a group: when this returns it survives a crash of the machine.

        Raises SpoolFull, OSError; nothing is kept then.
        """
        content = msgspec.msgpack.encode(list(calls))
        content = hashlib.sha256(content).digest() + content
        with self._counting:
            if self.bytes + len(content) > self._most:
                raise SpoolFull
            self._write(content)
            self.bytes += len(content)
            self.count_of_files += 1

    def _write(self, content: bytes) -> None:
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        part, done = self._folder / f"{name}{_PART}", self._folder / f"{name}{_DONE}"
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb", buffering=0) as file:
                rest = memoryview(content)
                while rest:  # an unbuffered file may take less than it is given
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            part.rename(done)
            _sync_folder(self._folder)
        except OSError:
            part.unlink(missing_ok=True)
            done.unlink(missing_ok=True)
            raise

    def files(self) -> list[Path]:
        """The groups, the oldest first."""
        return sorted(self._folder.glob(f"*{_DONE}"))

    def read(self, file: Path) -> list[Call] | None:
        """The calls of a group; None for a file that is gone, or damaged and now put aside."""
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            file.rename(file.with_suffix(_BROKEN))
            return None
        return msgspec.msgpack.decode(content, type=list[Call])

    def remove(self, file: Path) -> None:
        """Take a group away that has landed."""
        with self._counting:
            size = _size_of(file)
            file.unlink(missing_ok=True)
            if size is not None:
                self.bytes -= size
                self.count_of_files -= 1

    @property
    def broken(self) -> int:
        """How many damaged files were put aside: somebody has to look at them."""
        return sum(1 for _ in self._folder.glob(f"*{_BROKEN}"))


def _size_of(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

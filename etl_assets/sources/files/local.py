"""A folder of this machine as an object store: its files, by paths relative to it.

obstore could list a folder, but in no order, and it does not notice a file that changes while it is
read. Here every path is followed from the open folder part by part, and no symbolic link ever is.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

from etl_assets.core.errors import EtlError, SourceError, SourceUnavailable
from etl_assets.sources.files.failures import changed, gone, shown_key
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.store import CHUNK, PAGE, ObjectStore

_UNFINISHED = re.compile(r"#[0-9]+\Z")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a FIFO does not wait
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EAGAIN, errno.EMFILE}


class LocalFolder(ObjectStore):
    """The regular files of a folder and its folders.

    A symbolic link is not listed, wherever it leads: what it leads to inside the folder is listed
    by its own name. Files that end with # and a number are not listed either: obstore names so what
    it still writes. A listing holds the names of one folder, and of those above it, at a time.
    """

    SETTLE = timedelta(seconds=10)  # a file is seen from its first byte on
    SWEEP = 0.0  # nobody is paid for a listing

    def list(self, after: str | None = None, below: str = "") -> Iterator[Sequence[StoredObject]]:
        """As `ObjectStore.list`; a file that is deleted meanwhile may be in it or not."""
        page: list[StoredObject] = []
        with self._failures("listing it"), self._root() as root:
            for stored in self._below(root, "", after or "", below):
                page.append(stored)
                if len(page) == PAGE:
                    yield page
                    page = []
        if page:
            yield page

    def read(self, stored: StoredObject) -> Iterator[bytes]:
        """As `ObjectStore.read`, of the file that had the listed inode, ctime and size."""
        with self._failures(f"reading {shown_key(stored.key)}"), ExitStack() as stack:
            file = self._open(stored, stack)
            done = 0
            while True:
                chunk = os.read(file, CHUNK)
                done += len(chunk)
                # Whoever writes to the file, or puts another in its place, changes its ctime.
                if _etag(os.fstat(file)) != stored.etag or done > stored.size:
                    raise changed(self.location, stored.key)
                if not chunk:
                    break
                yield chunk
            if done < stored.size:
                raise changed(self.location, stored.key)

    def _below(
        self, folder: int, path: str, after: str, wanted: str = ""
    ) -> Iterator[StoredObject]:
        """The files of an open folder, whose keys begin with `path`, in the order of keys.

        Folders none of whose keys can begin with `wanted` are not opened.
        """
        with os.scandir(folder) as entries:
            # A folder's keys have a slash behind its name: "a-b" is before "a/b".
            found = sorted(
                (f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry)
                for entry in entries
                if entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)
            )
        for name, entry in found:
            key = self._key(path + name)
            if name.endswith("/"):
                if key < after and not after.startswith(key):
                    continue
                if not (key.startswith(wanted) or wanted.startswith(key)):
                    continue
                with _opened(name[:-1], _FOLDER | os.O_NOFOLLOW, folder) as below:
                    if below is not None:
                        yield from self._below(below, key, after, wanted)
            elif key > after and not _UNFINISHED.search(name):
                try:
                    found_now = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # deleted meanwhile
                    continue
                yield _stored(key, found_now)

    def _open(self, stored: StoredObject, stack: ExitStack) -> int:
        """The file of a key, open until `stack` ends; raises ObjectGone or ObjectChanged."""
        *folders, name = stored.key.split("/")
        if any(part in {"", ".", ".."} or "\0" in part for part in (*folders, name)):
            raise SourceError(
                f"No file of {self.location} can have the key {shown_key(stored.key)}.",
                "Read only objects that this folder's own listing gave.",
            )
        at = stack.enter_context(self._root())
        for part in folders:
            below = stack.enter_context(_opened(part, _FOLDER | os.O_NOFOLLOW, at))
            if below is None:
                raise gone(self.location, stored.key)
            at = below
        file = stack.enter_context(_opened(name, _FILE, at))
        if file is None:
            raise gone(self.location, stored.key)
        if _etag(os.fstat(file)) != stored.etag:
            raise changed(self.location, stored.key)
        return file

    @contextmanager
    def _root(self) -> Iterator[int]:
        root = os.open(self.location.prefix, _FOLDER)
        try:
            yield root
        finally:
            os.close(root)

    def _key(self, path: str) -> str:
        """The path as a key; raises SourceError where the name is not UTF-8."""
        try:
            path.encode()
        except UnicodeEncodeError:
            shown = path.encode(errors="backslashreplace").decode()
            raise SourceError(
                f"The folder {self.location} has a name that is not UTF-8: {shown_key(shown)}.",
                "Rename that file or folder.",
            ) from None
        return path

    @contextmanager
    def _failures(self, doing: str) -> Iterator[None]:
        """Turn the errors of the operating system into ours."""
        try:
            yield
            return
        except OSError as error:
            ours = self._classify(error, doing)
        raise ours

    def _classify(self, error: OSError, doing: str) -> EtlError:
        why = os.strerror(error.errno or 0)
        if error.errno in _PASSING:
            return SourceUnavailable(
                f"The folder {self.location} broke off while {doing}: {why}.",
                "Check the disk or the mount if that keeps happening; then run it again.",
            )
        return SourceError(
            f"The folder {self.location} refused while {doing}: {why}.",
            "Correct OBJECT_STORE_URL, create the folder, or let this account read all of it.",
        )


@contextmanager
def _opened(name: str, flags: int, at: int) -> Iterator[int | None]:
    """A file or folder of the open folder `at`; None if it is gone, or is a link by now."""
    try:
        file = os.open(name, flags, dir_fd=at)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}:
            raise
        yield None
        return
    try:
        yield file
    finally:
        os.close(file)


def _stored(key: str, found: os.stat_result) -> StoredObject:
    # By whole microseconds: a float of seconds has too few digits for them.
    modified = _EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000)
    return StoredObject(key, _etag(found), None, found.st_size, modified)


def _etag(found: os.stat_result) -> str:
    """The file itself and its last change. A program can set the mtime back, but not the ctime."""
    kind = "" if stat.S_ISREG(found.st_mode) else "not a file:"
    return f"{kind}{found.st_ino:x}-{found.st_ctime_ns:x}-{found.st_size:x}"

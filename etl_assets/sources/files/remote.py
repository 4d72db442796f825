"""S3, Google Cloud Storage and Azure by obstore, which signs, follows pages and repeats requests.

Here is what it leaves open: a listing or a read that breaks off in the middle goes on where it
stopped, and what comes is compared with what was asked for. Its errors are in `failures.py`.
"""

import base64
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from functools import partial
from typing import Any

import obstore
from obstore.store import AzureStore, GCSStore, S3Store

from etl_assets.config import ObjectStoreSettings, shown_url
from etl_assets.core.errors import ConfigError, EtlError, SourceError, SourceUnavailable, may_pass
from etl_assets.core.wording import count_of
from etl_assets.sources.files.failures import ERRORS, changed, classify, shown_key, shown_object
from etl_assets.sources.files.location import Location
from etl_assets.sources.files.objects import StoredObject, bare_etag
from etl_assets.sources.files.store import CHUNK, PAGE, ObjectStore
from etl_assets.sources.files.waiting import wait_for

_ANY_NUMBER = 1_000_000  # of retries: time bounds them
_PLAIN = re.compile(r"[\w.=-]+(?:/[\w.=-]+)*/", re.ASCII)
_REQUEST = timedelta(hours=1)
"""One request at the most, its answer included; a longer read goes on with another one."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds


class RemoteStore(ObjectStore):
    """A bucket's prefix, or a container's.

    A key that ends with a slash, as consoles make them for a folder, is listed without it: obstore
    takes it off. Such objects are empty, and an empty object is read without asking the store.
    """

    def __init__(self, location: Location, settings: ObjectStoreSettings) -> None:
        super().__init__(location)
        self._endpoint = shown_url(settings.endpoint) if settings.endpoint else ""
        self._store = client_of(location, settings)
        self._reading = self._store
        if location.scheme == "gs":
            # Google unpacks objects stored with Content-Encoding: gzip for whoever does not say so,
            # and their listed size is that of what is stored. A listing is not to be packed.
            self._reading = client_of(location, settings, {"accept-encoding": "gzip"})
        self._patience = settings.patience

    def list(self, after: str | None = None, below: str = "") -> Iterator[Sequence[StoredObject]]:
        """As `ObjectStore.list`; what breaks off goes on behind the last key, within patience."""
        listed = _Listed(after)
        # The client encodes other characters in a way of its own, and would find nothing.
        prefix = below if _PLAIN.fullmatch(below) else None
        patience = _Patience(self._patience)
        while True:
            try:
                stream = obstore.list(
                    self._store, prefix=prefix, offset=listed.position, chunk_size=PAGE
                )
                while (found := wait_for(partial(next, stream, None))) is not None:
                    page = [_stored(meta) for meta in found]
                    if fresh := listed.fresh(page, self.location):
                        yield fresh
                        patience.renew()
                return
            except ERRORS as error:
                ours = classify(error, self.location, endpoint=self._endpoint)
            patience.wait_or_raise(ours)

    def read(self, stored: StoredObject) -> Iterator[bytes]:
        """As `ObjectStore.read`; what breaks off goes on at the next byte, within patience."""
        done = 0
        patience = _Patience(self._patience)
        while done < stored.size:
            try:
                for chunk in self._chunks(stored, done):
                    done += len(chunk)
                    if done > stored.size:
                        raise changed(self.location, stored.key)
                    yield chunk
                    patience.renew()
                ours: EtlError = _broke_off(self.location, stored, done)
            except ERRORS as error:
                ours = classify(error, self.location, stored.key, self._endpoint)
            if done < stored.size:
                patience.wait_or_raise(ours)

    def _chunks(self, stored: StoredObject, start: int) -> Iterator[bytes]:
        etag = f'"{bare_etag(stored.etag)}"' if stored.etag else None  # Azure lists it unquoted
        options: dict[str, Any] = {"if_match": etag, "version": stored.version}
        if start:
            options["range"] = (start, stored.size)
        given: Any = {name: value for name, value in options.items() if value is not None}
        answer = wait_for(lambda: obstore.get(self._reading, stored.key, options=given))
        # A server that does not know If-Match answers with whatever is there.
        now = _stored({**answer.meta, "path": stored.key})
        if now.size != stored.size or (
            bare_etag(now.etag) != bare_etag(stored.etag)
            if stored.etag
            else now.modified.replace(microsecond=0) != stored.modified.replace(microsecond=0)
        ):
            raise changed(self.location, stored.key)
        stream = answer.stream(min_chunk_size=CHUNK // 2)
        while (piece := wait_for(partial(next, stream, None))) is not None:
            for begin in range(0, len(piece), CHUNK):
                yield bytes(piece[begin : begin + CHUNK])


class _Listed:
    """What a listing has given, to continue it without a gap and without a key twice.

    `position` is the last key that obstore gives exactly as the store has it: that of an empty
    object may have lost a slash, which stands before the letters that others have there.
    """

    def __init__(self, after: str | None) -> None:
        self.position = after
        self._after = after
        self._last: str | None = None
        self._empty: set[str] = set()

    def fresh(self, page: Sequence[StoredObject], location: Location) -> Sequence[StoredObject]:
        """Those of a page that have not been given; raises SourceError where keys go back."""
        new = []
        for stored in page:
            # obstore takes the slash off `after` as well, and lists from further ahead.
            if self._after is not None and stored.key <= self._after:
                continue
            if not stored.size:
                # The marker of the prefix itself has no name in it.
                if stored.key and stored.key not in self._empty:
                    self._empty.add(stored.key)
                    new.append(stored)
                continue
            if self._last is not None and stored.key <= self._last:
                raise SourceError(
                    f"The object store {location} does not list its keys in their order: "
                    f"{shown_key(stored.key)} comes after {shown_key(self._last)}.",
                    "Use a bucket that does; S3's directory buckets do not.",
                )
            self.position = self._last = stored.key
            self._empty.clear()
            new.append(stored)
        return new


class _Patience:
    """How long what gets no further is tried again: pauses grow, progress begins it anew."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Something came."""
        self._since: float | None = None
        self._pause = _FIRST_PAUSE

    def wait_or_raise(self, error: EtlError) -> None:
        """Wait before another attempt; raise what no attempt mends, or when it is enough."""
        now = time.monotonic()
        self._since = self._since or now
        if not may_pass(error) or not isinstance(error, SourceUnavailable):
            raise error
        if now + self._pause > self._since + self._seconds:
            raise error
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def _stored(meta: Any) -> StoredObject:
    return StoredObject(
        key=meta["path"],
        etag=meta["e_tag"],
        version=meta["version"],
        size=meta["size"],
        modified=meta["last_modified"].astimezone(UTC),
    )


def _broke_off(location: Location, stored: StoredObject, done: int) -> SourceUnavailable:
    return SourceUnavailable(
        f"{shown_object(location, stored.key)} ended after {done} of "
        f"{count_of(stored.size, 'byte')}.",
        "Run it again; if it stays so, put the object there anew.",
    )


def client_of(
    location: Location, settings: ObjectStoreSettings, headers: Mapping[str, str] | None = None
) -> S3Store | GCSStore | AzureStore:
    """obstore's client, which sends `headers` to Google.

    Raises ConfigError, which quotes nothing of the credentials.
    """
    common: dict[str, Any] = {
        "prefix": location.prefix or None,
        "client_options": {
            "connect_timeout": timedelta(seconds=settings.connect),
            "read_timeout": timedelta(seconds=settings.idle),
            "timeout": _REQUEST,
            "allow_http": (settings.endpoint or "").startswith("http://"),
        },
        "retry_config": {
            "max_retries": _ANY_NUMBER,
            "retry_timeout": timedelta(seconds=settings.patience),
        },
    }
    if settings.endpoint and not settings.endpoint.startswith(("http://", "https://")):
        raise ConfigError(
            "OBJECT_STORE_ENDPOINT is not a URL.", "Write http://host:9000 or https://host."
        )
    try:
        config = _config(location.scheme, settings)
        if location.scheme == "s3":
            return S3Store(location.bucket, config=config, **common)
        if location.scheme == "az":
            return AzureStore(location.bucket, config=config, **common)
        common["client_options"]["default_headers"] = dict(headers or {})
        return GCSStore(location.bucket, config=config, **common)
    except ERRORS:
        pass  # it may quote what was given, so ours is raised outside, without context
    raise ConfigError(
        f"The object store {location} cannot be opened: credentials for it are incomplete "
        "or malformed, or OBJECT_STORE_ENDPOINT is.",
        f"Check the variables that begin with {_PREFIXES[location.scheme]}.",
    )


_PREFIXES = {"s3": "AWS_", "gs": "GOOGLE_ (or GCP_CREDENTIALS)", "az": "AZURE_"}
_KNOWN = {
    "s3": (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"),
        *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        *("AWS_SKIP_SIGNATURE", "AWS_REQUEST_PAYER", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"),
    ),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SKIP_SIGNATURE"),
    "az": (
        *("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_KEY"),
        *("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"),
        *("AZURE_FEDERATED_TOKEN_FILE", "AZURE_USE_AZURE_CLI", "AZURE_SKIP_SIGNATURE"),
    ),
}
"""What obstore knows of the clouds' variables; those of the process it reads itself, too."""

_ENDPOINT = {"s3": "aws_endpoint_url_s3", "gs": "google_base_url", "az": "azure_endpoint"}


def _config(scheme: str, settings: ObjectStoreSettings) -> Any:
    config = {n: settings.credentials[n] for n in _KNOWN[scheme] if n in settings.credentials}
    if settings.endpoint:
        config[_ENDPOINT[scheme]] = settings.endpoint
    if scheme == "gs" and (key := settings.credentials.get("GCP_CREDENTIALS")):
        config["google_service_account_key"] = base64.b64decode(key).decode()
    return config

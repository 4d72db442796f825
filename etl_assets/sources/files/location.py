"""Where a store is, read from its URL. Nothing is opened here."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from etl_assets.core.errors import ConfigError

SCHEMES = ("s3", "gs", "az", "file")
_FORMS = "Write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder."


@dataclass(frozen=True)
class Location:
    """`bucket` is a bucket or a container, `prefix` has no slash at its ends and may be empty.

    For `file`, `bucket` is empty and `prefix` the folder's absolute path.
    """

    scheme: str
    bucket: str
    prefix: str

    def __str__(self) -> str:
        if self.scheme == "file":
            return f"file://{self.prefix}"
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


def parse_location(url: str, setting: str = "OBJECT_STORE_URL") -> Location:
    """The location of a URL; raises ConfigError, which names `setting` and quotes nothing.

    As in the tools of the three clouds, a prefix is taken as it stands: `%20` is three letters of
    it. Only the path of a `file` URL is percent-decoded.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ConfigError(f"{setting} is not the URL of an object store.", _FORMS)
    if scheme == "file":
        return Location("file", "", _folder(url, setting))
    bucket, _, prefix = rest.partition("/")
    if not bucket or any(letter in bucket for letter in "@:?# %"):
        raise ConfigError(
            f"{setting} does not name a bucket after {scheme}://.",
            f"{_FORMS} Credentials do not belong in the URL: the cloud's own variables have them.",
        )
    if "?" in prefix or "#" in prefix:
        raise ConfigError(
            f"{setting} has a question mark or a # after the bucket.",
            "Leave out what begins with it: a store has no options in its URL.",
        )
    prefix = prefix.strip("/")
    if any(part in {"", ".", ".."} for part in prefix.split("/") if prefix):
        raise ConfigError(
            f"{setting} has an empty, a . or a .. part in its prefix.",
            "Name another prefix: the client of object stores has no such parts in a path.",
        )
    return Location(scheme, bucket, prefix)


def _folder(url: str, setting: str) -> str:
    parts = urlsplit(url)
    folder = unquote(parts.path)
    if parts.netloc or not folder.startswith("/") or parts.query or parts.fragment:
        raise ConfigError(
            f"{setting} does not name a folder of this machine.",
            "Write file:///folder with three slashes; ?, # and % in its name are percent-encoded.",
        )
    return folder.rstrip("/") or "/"

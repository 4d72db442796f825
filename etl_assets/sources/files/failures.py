"""What the errors of object stores mean: one message that names the store and the key.

Their own words hold URLs and may quote what was sent, so that none of them is passed on but the
store's code (NoSuchBucket) and the HTTP status.
"""

import json
import re

from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PreconditionError,
)

from etl_assets.core.errors import (
    EtlError,
    ObjectChanged,
    ObjectGone,
    SourceError,
    SourceUnavailable,
)
from etl_assets.sources.files.location import Location

ERRORS = (BaseError, FileNotFoundError, PermissionError, ValueError)
"""What obstore raises: three of its errors are Python's own."""

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_OTHERS_PATH = re.compile(r'(?:Error parsing Path|Path) "(.*?)"(?:: Enc| contained)', re.DOTALL)
_NO_LOCATION = "redirect without LOCATION"  # what S3 answers in another region
_NOT_TRUSTED = "invalid peer certificate"
# Where a machine of the clouds asks for its credentials; elsewhere nobody answers, or a gateway.
_METADATA_SERVERS = tuple(
    f"http://{server}/"
    for server in ("169.254.169.254", "metadata.google.internal", "169.254.170.2")
)

_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
    "gs": "GCP_CREDENTIALS or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_GRANTS = {
    "s3": "Grant the account s3:ListBucket on the bucket and s3:GetObject on its objects.",
    "gs": "Grant the account roles/storage.objectViewer on the bucket.",
    "az": "Grant the account Storage Blob Data Reader on the container.",
}
_WRONG_KEYS = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthenticationFailed"),
    *("ExpiredToken", "TokenRefreshRequired", "InvalidAuthenticationInfo"),
}
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"}
_WRONG_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint"}
_PASSING = {"SlowDown", "RequestTimeout", "ServerBusy", "OperationTimedOut", "InternalError"}


def shown_key(key: str) -> str:
    """The key in quotes on one line, whatever is in it."""
    return json.dumps(key, ensure_ascii=False)


def shown_object(location: Location, key: str) -> str:
    """How messages name an object."""
    return f"The object {shown_key(key)} of {location}"


def changed(location: Location, key: str) -> ObjectChanged:
    """The error of an object that is another one than was listed."""
    return ObjectChanged(
        f"{shown_object(location, key)} was overwritten since it was listed.",
        "List the store again and load the object anew.",
    )


def gone(location: Location, key: str) -> ObjectGone:
    """The error of an object that is no more."""
    return ObjectGone(
        f"{shown_object(location, key)} was deleted since it was listed.",
        "List the store again.",
    )


def classify(
    error: Exception, location: Location, key: str | None = None, endpoint: str = ""
) -> EtlError:
    """Our error for obstore's, of reading `key` or, without one, of a listing.

    `endpoint` is the server as messages name it, nothing for the cloud's own.
    """
    words, _, debug = str(error).partition("\n\nDebug source:")
    if key:  # it could look like a code
        words = words.replace(f"/{key} not found", "").replace(f" {key} not found", "")
    status = int(found[1]) if (found := _STATUS.search(words)) else None
    code = found[1] if (found := _CODE.search(words)) else ""
    if isinstance(error, InvalidPathError | ValueError):
        return _unusable_key(str(error), location, key)
    if key is not None and (isinstance(error, PreconditionError) or status in {412, 416}):
        return changed(location, key)
    if key is not None and isinstance(error, FileNotFoundError) and code not in _NO_BUCKET:
        return gone(location, key)
    if _NO_LOCATION in words:
        status, code = 301, "PermanentRedirect"
    if _NOT_TRUSTED in debug:
        return _not_trusted(location)
    if (status or 0) < 500 and any(server in words for server in _METADATA_SERVERS):
        return _no_credentials(location)
    doing = f"reading {shown_key(key)}" if key is not None else "listing it"
    if status is None or status in {408, 429} or status >= 500 or code in _PASSING:
        return _unavailable(location, endpoint, doing, status, code)
    return SourceError(
        f"The object store {location} refused while {doing} "
        f"(HTTP {status}{f', {code}' if code else ''}).",
        _what_to_do(location, status, code),
    )


def _unavailable(
    location: Location, endpoint: str, doing: str, status: int | None, code: str
) -> SourceUnavailable:
    told = f" (HTTP {status}{f', {code}' if code else ''})" if status else ""
    return SourceUnavailable(
        f"The object store {location}{f' at {endpoint}' if endpoint else ''} could not be reached, "
        f"or broke off, while {doing}{told}.",
        "Check OBJECT_STORE_ENDPOINT and the network if that keeps happening; then run it again.",
    )


def _no_credentials(location: Location) -> SourceError:
    return SourceError(
        f"There are no credentials for the object store {location}: "
        "none are set, and the machine gives none.",
        f"Set {_KEYS[location.scheme]}.",
    )


def _not_trusted(location: Location) -> SourceError:
    return SourceError(
        f"No trusted TLS connection to the object store {location} could be made.",
        "Install the server's CA on this machine, or correct OBJECT_STORE_ENDPOINT.",
    )


def _what_to_do(location: Location, status: int, code: str) -> str:
    if code in _NO_BUCKET or status == 404:
        return "Correct the bucket's name in OBJECT_STORE_URL, or create the bucket."
    if code in _WRONG_REGION or status in {301, 307}:
        return "Set AWS_REGION to the region of the bucket."
    if code == "RequestTimeTooSkewed":
        return "Set the clock of this machine: it differs from the store's by too much."
    if code in _WRONG_KEYS or status == 401:
        return f"Check {_KEYS[location.scheme]}: they are wrong or have expired."
    if status == 403:
        return _GRANTS[location.scheme]
    return "Check OBJECT_STORE_URL and OBJECT_STORE_ENDPOINT."


def _unusable_key(words: str, location: Location, key: str | None) -> EtlError:
    if key is None:
        found = _OTHERS_PATH.search(words)
        key = found[1] if found else None
    named = f"the key {shown_key(key)}" if key is not None else "a key"
    return SourceError(
        f"The object store {location} has {named}, which cannot be read: "
        "an empty part, a part . or .., or a control character is in it.",
        "Rename that object, or point the table at a prefix that does not have it.",
    )

"""Where a bucket is, and what it means that it refuses or does not answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from app.rules.failures import StorageDegraded

MISSING: Final = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NoSuchVersion"})
"""The codes by which a bucket says that something is not there."""
_LOCATION: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([\w./-]*))?", re.ASCII)
_UNREACHED: Final = (BotoCoreError, aiohttp.ClientError, TimeoutError, OSError)


class Missing(Exception):
    """There is no such object, or upload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where objects lie: a bucket, and what their keys begin with."""

    bucket: str
    prefix: str
    endpoint: str
    region: str

    @classmethod
    def of(cls, url: str, *, endpoint: str = "", region: str = "") -> Location:
        """The location of `s3://bucket/prefix`. Raises ValueError."""
        found = _LOCATION.fullmatch(url)
        if found is None:
            raise ValueError("It must be like s3://bucket or s3://bucket/folder.")
        folder = (found[2] or "").strip("/")
        return cls(
            bucket=found[1],
            prefix=f"{folder}/" if folder else "",
            endpoint=endpoint,
            region=region or "us-east-1",
        )


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the client library raises to Missing or StorageDegraded."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in MISSING:
            raise Missing(code) from error
        raise StorageDegraded(f"The bucket refused: {code}.") from error
    except _UNREACHED as error:
        raise StorageDegraded("The bucket does not answer.") from error


@contextmanager
def explained(location: Location, *, what: str) -> Iterator[None]:
    """Turns what the client library raises to StorageDegraded, with the setting to mend."""
    try:
        yield
    except (ClientError, *_UNREACHED) as error:
        raise unusable(error, location, what=what) from error


def unusable(error: Exception, location: Location, *, what: str) -> StorageDegraded:
    """Why the bucket can't be used, and which setting says so."""
    named = f"The bucket {location.bucket} of BINDERY_CONTENT can't {what}"
    code = code_of(error) if isinstance(error, ClientError) else ""
    if isinstance(error, NoCredentialsError):
        return StorageDegraded(
            f"{named}: there are no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
            " or a profile or role that the AWS tools find."
        )
    if code in ("404", "NoSuchBucket"):
        return StorageDegraded(f"{named}: there is no such bucket. Make it, or name another.")
    if code in ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return StorageDegraded(
            f"{named}: the credentials (AWS_ACCESS_KEY_ID) are wrong, or not allowed to ({code})."
        )
    if code:
        return StorageDegraded(f"{named}: it answers {code}.")
    where = f"BINDERY_S3_ENDPOINT {location.endpoint}" if location.endpoint else "S3"
    return StorageDegraded(f"{named}: {where} does not answer.")


def code_of(error: ClientError) -> str:
    """By which code a bucket refuses."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))

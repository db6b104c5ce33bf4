"""Every environment variable that Bindery reads, once."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LEAST_POOL: Final = 2
"""Connections without which nobody could write, or nobody read."""
_SERVERS: Final = ("postgresql://", "postgres://")
_NEARNESS: Final = 0.9
_NEARNESS_FROM: Final = len("BINDERY_") + 6
_REGION: Final = re.compile(r"[a-z0-9-]*", re.ASCII)


class SettingsError(ValueError):
    """An environment variable has a value that can't be used; the message names it."""


def _setting(default: Any, description: str) -> Any:
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of one process. Field `x_y` is read from `BINDERY_X_Y`."""

    data: Path = _setting(Path("bindery-data"), "The folder of content, keys and the database.")
    database: str = _setting(
        "", "The database's URL, `postgresql://…`; empty: SQLite in the data folder."
    )
    content: str = _setting(
        "", "Where content is kept, `s3://bucket/folder`; empty: the disk, in the data folder."
    )
    s3_endpoint: str = _setting(
        "", "The address of a store that speaks S3's protocol; empty: S3 itself."
    )
    s3_region: str = _setting("", "The region of the bucket; empty: `us-east-1`.")
    s3_direct: bool = _setting(
        True, "Whether clients send to the bucket, and fetch from it, past the server."
    )
    s3_download_url: str = _setting(
        "", "The address of a CDN before the bucket, for downloads; empty: the bucket itself."
    )
    database_pool: int = _setting(10, "Connections to PostgreSQL: half to read, half to write.")
    database_replica: str = _setting(
        "",
        "A standby's URL, for queries that are sent with `Bindery-Read: replica`; empty: none.",
    )
    database_replica_seconds: float = _setting(
        1.0, "Seconds that the standby may be behind; beyond, the database itself is asked."
    )
    public_url: str = _setting(
        "", "The address that clients see, for signed URLs; empty: paths from the root."
    )
    secret: str = _setting(
        "", "64 hex digits that sign URLs and tokens; empty: a key file in the data folder."
    )
    url_ttl: int = _setting(3600, "Seconds that an upload or download URL is good for.")
    worker: bool = _setting(
        True, "Whether the server process verifies and erases content, and sends webhooks, too."
    )
    lease_seconds: int = _setting(60, "Seconds without a sign of life after which work is redone.")
    scrub_bytes_per_second: int = _setting(
        8 << 20, "Bytes of stored content that are read again each second; 0: none."
    )
    scrub_days: int = _setting(30, "Days after which stored content is read again.")
    upload_idle_seconds: int = _setting(10, "Seconds after which a stalled upload is ended.")
    upload_abandoned_seconds: int = _setting(
        7 * 86_400,
        "Seconds after which an upload that nobody goes on with loses its parts; 0: never.",
    )
    quota_bytes: int = _setting(
        0, "Bytes that the parts of each organization may take, stored or not yet; 0: any number."
    )
    storage_reserve: int = _setting(64 << 20, "Bytes of the disk that uploads must leave free.")
    storage_ballast: int = _setting(
        16 << 20, "Bytes kept beside an SQLite database, to destroy with when its disk is full."
    )
    erase_wait_seconds: float = _setting(10.0, "Seconds that a destroy waits for the erasing.")

    webhook_allowed_networks: str = _setting(
        "",
        "Networks that webhooks may be sent to, though they are not of the public internet,"
        " separated by commas; there `http` is allowed too. Empty: none.",
    )
    webhook_seconds: float = _setting(15.0, "Seconds that a webhook's receiver has to answer.")
    webhook_retry_seconds: float = _setting(
        5.0, "Seconds before a webhook is tried again; each time twice as long, up to 4 hours."
    )
    webhook_log_days: int = _setting(
        30, "Days that the log keeps a webhook's deliveries after their end."
    )

    query_seconds: float = _setting(10.0, "Seconds after which a query is ended; 0: never.")
    planner: bool = _setting(
        True, "Whether queries run as compiled plans; the answers are the same without."
    )
    rate_requests: int = _setting(60_000, "Requests that an API key may send within a minute.")
    rate_cost: int = _setting(20_000_000, "Cost that an API key may ask for within a minute.")
    limit_body: int = _setting(1 << 20, "The most bytes of the body of a GraphQL request.")
    limit_characters: int = _setting(64_000, "The most characters of a GraphQL document.")
    limit_tokens: int = _setting(2_000, "The most tokens of a document.")
    limit_depth: int = _setting(15, "How deep fields may be in fields of an operation.")
    limit_aliases: int = _setting(30, "The most aliases of an operation.")
    limit_directives: int = _setting(50, "The most directives of an operation.")
    limit_root_fields: int = _setting(20, "The most root fields of an operation.")
    limit_mutations: int = _setting(10, "The most mutations of one request.")
    limit_cost: int = _setting(25_000, "The highest cost of an operation.")
    limit_overlaps: int = _setting(
        1_500, "The most pairs of fields of a document that answer under one name."
    )
    trusted_documents: Path | None = _setting(
        None, "A folder of `.graphql` files that clients may name by `documentId`."
    )
    only_trusted_documents: bool = _setting(
        False, "Whether no other document is taken than the trusted ones."
    )
    url: str = _setting(
        "http://127.0.0.1:8000", "The server that `push`, `pull`, `impact` and `resolve` talk to."
    )
    key: str = _setting("", "The API key that these send.")
    metrics_token: str = _setting(
        "", "A secret that lets in to `/metrics`, beside ADMIN keys and loopback; empty: none."
    )
    allowed_origins: str = _setting(
        "", "Origins of web pages that may call the server, separated by commas; empty: none."
    )

    trusted_proxies: str = _setting(
        "",
        "Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` hold,"
        " separated by commas; empty: none.",
    )
    access_log: bool = _setting(True, "Whether each request is told on standard output.")
    traces: str = _setting(
        "",
        "Where traces are sent by OTLP, `http://collector:4318/v1/traces`; needs `bindery[otel]`;"
        " empty: none.",
    )
    log_format: str = _setting(
        "json", "How the log is written: `json` for programs, `console` for people."
    )

    @property
    def origins(self) -> list[str]:
        """The allowed origins, one by one. Raises SettingsError."""
        found = _listed(self.allowed_origins)
        for one in found:
            try:
                parts = urllib.parse.urlsplit(one)
                good = parts.scheme and parts.hostname and parts.port != 0
            except ValueError:
                good = False
            if not good or parts.path or parts.query or parts.fragment or parts.username:
                raise SettingsError(
                    f"BINDERY_ALLOWED_ORIGINS has {one!r}; an origin is like"
                    " https://console.example, without a path."
                )
        return found

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of trusted proxies. Raises SettingsError."""
        return _networks("BINDERY_TRUSTED_PROXIES", self.trusted_proxies)

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
        """The networks that webhooks may be sent to besides the internet. Raises SettingsError."""
        return _networks("BINDERY_WEBHOOK_ALLOWED_NETWORKS", self.webhook_allowed_networks)

    @property
    def database_url(self) -> str:
        """The database's URL, with the embedded default filled in."""
        return self.database or f"sqlite://{self.data.absolute() / 'bindery.db'}"


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _networks(name: str, text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(one) for one in _listed(text))
    except ValueError as error:
        raise SettingsError(
            f"{name}: {error}; a network is like 10.0.0.0/8 or 2001:db8::/32."
        ) from error


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from the environment; `overrides` that are not None win. Raises SettingsError."""
    environment = os.environ if environment is None else environment
    _judge_names(environment)
    values: dict[str, Any] = {}
    for item in fields(Settings):
        name = f"BINDERY_{item.name.upper()}"
        if name in environment:
            kind = Path if item.default is None else type(item.default)
            values[item.name] = _convert(name, environment[name], kind)
    values.update({key: value for key, value in overrides.items() if value is not None})
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
            raise SettingsError(f"BINDERY_{name.upper()} is {value}; it must not be negative.")
    settings = Settings(**values)
    _judge(settings)
    return settings


def _judge_names(environment: Mapping[str, str]) -> None:
    """Raises SettingsError for a name that is nearly a setting's: it would be passed over."""
    known = {f"BINDERY_{item.name.upper()}" for item in fields(Settings)}
    for name in environment.keys() - known:
        # Short names are near to each other by chance, and may be somebody's own.
        if name.startswith("BINDERY_") and len(name) >= _NEARNESS_FROM:
            for near in difflib.get_close_matches(name, known, n=1, cutoff=_NEARNESS):
                raise SettingsError(f"{name} is no setting; {near} is one.")


def _judge(settings: Settings) -> None:
    """Raises SettingsError for what would only be found out by a request, or by a traceback."""
    for name in ("public_url", "s3_endpoint", "s3_download_url"):
        _judge_address(f"BINDERY_{name.upper()}", getattr(settings, name))
    _ = settings.origins, settings.proxies, settings.webhook_networks
    for item in fields(Settings):
        if item.name.startswith("limit_") and getattr(settings, item.name) < 1:
            raise SettingsError(f"BINDERY_{item.name.upper()} is 0; it must be at least 1.")
    for name in ("webhook_seconds", "webhook_retry_seconds"):
        if not 0.01 <= getattr(settings, name) <= 86_400:
            raise SettingsError(
                f"BINDERY_{name.upper()} is {getattr(settings, name)}; it must be 0.01 to 86400."
            )
    if settings.database_pool < LEAST_POOL:
        raise SettingsError(
            f"BINDERY_DATABASE_POOL is {settings.database_pool}; it must be at least {LEAST_POOL},"
            " one connection to read and one to write."
        )
    replica = settings.database_replica
    if replica and not all(one.startswith(_SERVERS) for one in (replica, settings.database)):
        raise SettingsError(
            "BINDERY_DATABASE_REPLICA must be like postgresql://user:password@host:5432/name, and"
            " BINDERY_DATABASE too."
        )
    if not _REGION.fullmatch(settings.s3_region):
        raise SettingsError(
            f"BINDERY_S3_REGION is {settings.s3_region!r}; a region is like eu-central-1."
        )
    folder = settings.trusted_documents
    if folder is not None and not folder.is_dir():
        raise SettingsError(
            f"BINDERY_TRUSTED_DOCUMENTS is {str(folder)!r}; there is no such folder."
        )
    if settings.only_trusted_documents and folder is None:
        raise SettingsError(
            "BINDERY_ONLY_TRUSTED_DOCUMENTS is set, and BINDERY_TRUSTED_DOCUMENTS names no folder:"
            " no query could be asked."
        )


def _judge_address(name: str, text: str) -> None:
    try:
        parts = urllib.parse.urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if text and (not good or parts.query or parts.fragment or parts.username):
        raise SettingsError(
            f"{name} is {text!r}; an address is like https://bindery.example, without a query."
        )


_FORMS = {int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def _convert(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise SettingsError(f"{name} is {text!r}; it must be true or false.")
        return text.lower() in ("true", "1")
    try:
        return kind(text)
    except ValueError as error:
        raise SettingsError(f"{name} is {text!r}; it must be {_FORMS[kind]}.") from error

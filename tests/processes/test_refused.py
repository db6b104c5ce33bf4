"""What a server does not start with: one line that names the setting, and no traceback.

What is wrong in itself is in a table of settings. The rest needs a database or a bucket that says
no.
"""

from __future__ import annotations

import json
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.session import get_session

from app.settings import SettingsError, load
from tests.buckets import CREDENTIALS, Quiet, accepting, dropping, make_bucket, serving
from tests.faults.cluster import FAST, Cluster, clustered
from tests.processes.served import said

SETTINGS: tuple[tuple[str, str, str], ...] = (
    ("BINDERY_URL_TTL", "soon", "a whole number"),
    ("BINDERY_URL_TTL", "-1", "must not be negative"),
    ("BINDERY_QUERY_SECONDS", "long", "a number"),
    ("BINDERY_WORKER", "perhaps", "true or false"),
    ("BINDERY_PUBLIC_URL", "bindery.example", "like https://bindery.example"),
    ("BINDERY_PUBLIC_URL", "https://", "like https://bindery.example"),
    ("BINDERY_PUBLIC_URL", "https://bindery.example:99999", "like https://bindery.example"),
    ("BINDERY_PUBLIC_URL", "https://bindery.example?a=b", "without a query"),
    ("BINDERY_S3_ENDPOINT", "minio:9000", "like https://bindery.example"),
    ("BINDERY_S3_ENDPOINT", "s3://bucket", "like https://bindery.example"),
    ("BINDERY_S3_DOWNLOAD_URL", "cdn.example/", "like https://bindery.example"),
    ("BINDERY_S3_REGION", "no where!", "like eu-central-1"),
    ("BINDERY_DATABASE_POOL", "1", "at least 2"),
    ("BINDERY_DATABASE_REPLICA", "standby:5432", "like postgresql://"),
    ("BINDERY_DATABASE_REPLICA", "postgresql://standby/fleet", "and BINDERY_DATABASE too"),
    ("BINDERY_TRUSTED_DOCUMENTS", "/no/such/folder", "no such folder"),
    ("BINDERY_ONLY_TRUSTED_DOCUMENTS", "true", "BINDERY_TRUSTED_DOCUMENTS names no folder"),
    ("BINDERY_ALLOWED_ORIGINS", "console.example", "an origin is like"),
    ("BINDERY_TRUSTED_PROXIES", "10.0.0.0/99", "a network is like"),
    ("BINDERY_WEBHOOK_SECONDS", "0", "it must be 0.01 to 86400"),
    ("BINDERY_WEBHOOK_ALLOWED_NETWORKS", "lan", "a network is like"),
)
"""A setting, a value, and what the refusal says besides the name."""


@pytest.mark.parametrize(("name", "value", "words"), SETTINGS)
def test_a_wrong_value_is_refused_by_its_name(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({name: value})
    assert str(refused.value).startswith(name)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BINDERY_PUBLIC_ULR", "BINDERY_PUBLIC_URL"),
        ("BINDERY_DATABSE", "BINDERY_DATABASE"),
        ("BINDERY_ALLOWED_ORIGIN", "BINDERY_ALLOWED_ORIGINS"),
        ("BINDERY_TRUSTED_PROXY", "BINDERY_TRUSTED_PROXIES"),
        ("BINDERY_STORAGE_RESERVED", "BINDERY_STORAGE_RESERVE"),
    ],
)
def test_a_name_that_is_nearly_a_setting_is_refused(name: str, meant: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({name: "x"})
    assert str(refused.value) == f"{name} is no setting; {meant} is one."


@pytest.mark.parametrize(
    "name", ["BINDERY_KEYS", "BINDERY_URL2", "BINDERY_DEVICE", "BINDERY_ROUNDS", "DATABASE"]
)
def test_other_names_are_somebody_elses(name: str) -> None:
    assert load({name: "x"}) == load({})


def refusal(data: Path, *arguments: str, database: str = "", **settings: str) -> str:
    """What `bindery serve` says when it does not start."""
    status, told = said(
        "serve", "--port", "0", *arguments, data=data, database=database, **settings
    )
    assert told.count("\n") == 0, told
    (line,) = told.splitlines()
    assert status == 1
    assert line.startswith("bindery: ")
    return line.removeprefix("bindery: ")


def test_a_wrong_setting_ends_the_start_in_one_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, s3_endpoint="minio:9000").startswith("BINDERY_S3_ENDPOINT is ")


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "BINDERY_DATA" in refusal(file)
    assert "BINDERY_DATA" in refusal(file / "below")


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        line = refusal(tmp_path, "--port", str(taken.getsockname()[1]))
    assert "Address already in use. Choose another with --host or --port" in line


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL with roles that may not do what Bindery needs."""
    with clustered() as found:
        found.sql("CREATE ROLE asked LOGIN PASSWORD 'right'")
        found.sql("CREATE ROLE idle LOGIN")
        found.sql(
            "CREATE ROLE reader LOGIN; ALTER ROLE reader SET default_transaction_read_only = on"
        )
        found.sql("GRANT CREATE ON SCHEMA public TO reader")
        found.demand_password("asked")
        yield found


DATABASES: tuple[tuple[str, str, str], ...] = (
    ("asked:wrong", "/postgres", 'password authentication failed for user "asked"'),
    ("nobody:", "/postgres", 'role "nobody" does not exist'),
    ("idle:", "/postgres", "permission denied"),
    ("reader:", "/postgres", "The database can only be read: it is a standby, or was made one"),
    ("postgres:", "/nothing", "nothing"),
)
"""Who connects to which database, and what the refusal says besides the setting."""


@pytest.mark.parametrize(("who", "path", "words"), DATABASES)
def test_a_database_that_refuses_is_named(
    cluster: Cluster, tmp_path: Path, who: str, path: str, words: str
) -> None:
    parts = urllib.parse.urlsplit(cluster.url)
    url = parts._replace(netloc=f"{who}@", path=path).geturl()
    line = refusal(tmp_path, database=url)
    assert words in line
    assert line.endswith(f"Database: postgresql://{path} (BINDERY_DATABASE).")
    assert "wrong" not in line


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
def test_a_database_that_is_not_there_is_named(tmp_path: Path, host: str) -> None:
    line = refusal(tmp_path, database=f"postgresql://someone:hush@{host}/fleet")
    assert line.startswith("The database does not answer; ")
    assert line.endswith(f"Database: postgresql://{host}/fleet (BINDERY_DATABASE).")
    assert "hush" not in line


def test_a_database_that_is_stopped_is_named(cluster: Cluster, tmp_path: Path) -> None:
    cluster.stop(FAST)
    try:
        line = refusal(tmp_path, database=cluster.url)
    finally:
        cluster.start()
    assert line.startswith("The database does not answer; ")
    assert line.endswith("(BINDERY_DATABASE).")


@dataclass(frozen=True)
class Store:
    """An S3 that demands credentials: its address, and keys by what they may do."""

    address: str
    keys: Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Two buckets, of which one has object lock."""
    with serving() as address:
        make_bucket(address, "good-one")
        make_bucket(address, "locked-one", locked=True)
        may_read = ["s3:Get*", "s3:List*", "s3:Head*"]
        keys = {
            "all": key(address, "all", ["s3:*"]),
            "reads": key(address, "reads", may_read),
            "keeps": key(address, "keeps", [*may_read, "s3:PutObject"]),
        }
        # From now on moto asks who sends a request, and whether he may.
        demand = urllib.request.Request(
            f"{address}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"}
        )
        with urllib.request.urlopen(demand, timeout=10):
            pass
        wrong = {**keys["all"], "AWS_SECRET_ACCESS_KEY": "wrong"}
        yield Store(address, {**keys, "unknown": CREDENTIALS, "wrong": wrong, "none": {}})


def key(address: str, name: str, actions: list[str]) -> Mapping[str, str]:
    """An access key of a new user, who may do this and nothing else."""
    iam = get_session().create_client(
        "iam",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="tests",
        aws_secret_access_key="not-secret",
    )
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
    }


BUCKETS: tuple[tuple[str, str, str], ...] = (
    ("none", "good-one", "there are no credentials. Set AWS_ACCESS_KEY_ID"),
    ("unknown", "good-one", "be looked at: the credentials (AWS_ACCESS_KEY_ID) are wrong"),
    ("wrong", "good-one", "be looked at: the credentials (AWS_ACCESS_KEY_ID) are wrong"),
    ("reads", "good-one", "be written to: the credentials (AWS_ACCESS_KEY_ID) are wrong, or not"),
    ("keeps", "good-one", "be erased from: the credentials (AWS_ACCESS_KEY_ID) are wrong, or not"),
    ("all", "missing-one", "be looked at: there is no such bucket."),
    ("all", "locked-one", "has object lock, so that nothing could be erased."),
)
"""Whose key comes to which bucket, and what the refusal says besides the setting."""


@pytest.mark.parametrize(("who", "bucket", "words"), BUCKETS)
def test_a_bucket_that_can_not_be_used_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str, bucket: str, words: str
) -> None:
    _only(monkeypatch, tmp_path, store.keys[who])
    line = refusal(tmp_path, content=f"s3://{bucket}/content", s3_endpoint=store.address)
    assert line.startswith(f"The bucket {bucket} of BINDERY_CONTENT ")
    assert words in line


def test_a_store_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(monkeypatch, tmp_path, CREDENTIALS)
    away = "http://127.0.0.1:1"
    line = refusal(tmp_path, content="s3://good-one", s3_endpoint=away)
    assert f"BINDERY_S3_ENDPOINT {away} does not answer." in line


@pytest.mark.parametrize("quiet", [accepting, dropping])
def test_a_store_that_says_nothing_is_refused_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: Quiet
) -> None:
    _only(monkeypatch, tmp_path, CREDENTIALS)
    with quiet() as address:
        began = time.monotonic()
        line = refusal(tmp_path, content="s3://good-one", s3_endpoint=address)
        took = time.monotonic() - began
    assert line.endswith(f"BINDERY_S3_ENDPOINT {address} does not answer.")
    # A process alone takes two seconds to come up on a busy machine.
    # It is 8 on an idle machine. With all its repeats one request alone may take 30 or more.
    assert took < 20


@pytest.mark.parametrize("content", ["ftp://bucket", "s3://", "s3://Capital", "/a/folder"])
def test_content_that_is_no_bucket_is_refused(tmp_path: Path, content: str) -> None:
    line = refusal(tmp_path, content=content)
    assert line.startswith(f"BINDERY_CONTENT is {content!r}. It must be like s3://bucket")


def _only(monkeypatch: pytest.MonkeyPatch, home: Path, found: Mapping[str, str]) -> None:
    """Has the tools find these credentials, and no others."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(home))
    for name, value in found.items():
        monkeypatch.setenv(name, value)

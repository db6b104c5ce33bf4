"""`bindery push`, against a real server."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from app import cli
from app.client import source
from app.client.outcome import Status, Usage
from tests.client.conftest import Bindery, command

MIB = 1 << 20


def names(version: str, target: str = "arm-linux-gnueabihf") -> list[str]:
    """What says which binary is meant."""
    return ["--artifact", "firmware", "--version", version, "--target", target]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(random.Random(str(tmp_path)).randbytes(12 * MIB + 17))
    return path


def test_a_file_is_brought_signed_and_fetched(
    bindery: Bindery, file: Path, pem: Path, tmp_path: Path
) -> None:
    ran = bindery("push", file, *names("1.0.0"), "--sign", pem, "--wait", "--json")
    content = file.read_bytes()
    assert ran.status == Status.DONE, ran.err
    assert ran.err == ""
    assert ran.json["state"] == "SIGNED"
    assert ran.json["hash"] == hashlib.sha256(content).hexdigest()
    assert (ran.json["size"], ran.json["bytesSent"]) == (len(content), len(content))
    assert (ran.json["parts"], ran.json["partsKept"]) == (3, 0)

    again = bindery("push", file, *names("1.0.0"), "--sign", pem, "--wait", "--json")
    assert again.status == Status.DONE
    assert again.json == {**ran.json, "bytesSent": 0}

    fetched = tmp_path / "fetched.bin"
    pulled = bindery("pull", *names("1.0.0"), "--output", fetched, "--json")
    assert pulled.status == Status.DONE, pulled.err
    assert pulled.json["binary"] == ran.json["binary"]
    assert fetched.read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fetched.bin", "firmware.bin"]


def test_without_waiting_the_server_goes_on_alone(bindery: Bindery, file: Path) -> None:
    ran = bindery("push", file, *names("1.1.0"), "--json")
    assert ran.status == Status.DONE
    assert ran.json["state"] in ("HASHING", "SIGNABLE")


def test_an_empty_file(bindery: Bindery, tmp_path: Path, pem: Path) -> None:
    empty = tmp_path / "empty.bin"
    empty.touch()
    ran = bindery("push", empty, *names("1.2.0"), "--sign", pem, "--json")
    assert (ran.status, ran.json["state"], ran.json["parts"]) == (0, "SIGNED", 0)


def test_people_get_a_table_and_logs_get_lines(bindery: Bindery, file: Path, pem: Path) -> None:
    ran = bindery("push", file, *names("1.3.0"), "--sign", pem)
    assert ran.status == Status.DONE
    assert "state            SIGNED\n" in ran.out
    assert "size             12.0 MiB\n" in ran.out
    assert ran.err.splitlines() == [
        "firmware.bin: 12.0 MiB in 3 parts, 0 of them are there.",
        "Uploaded; the server reads it back now.",
    ]
    assert "\r" not in ran.err


def test_other_content_is_not_replaced(bindery: Bindery, file: Path, tmp_path: Path) -> None:
    assert bindery("push", file, *names("1.4.0")).status == Status.DONE
    other = tmp_path / "other.bin"
    other.write_bytes(b"other")
    ran = bindery("push", other, *names("1.4.0"), "--json")
    assert ran.status == Status.OTHER_CONTENT
    assert ran.json["status"] == Status.OTHER_CONTENT
    assert "has other content for arm-linux-gnueabihf" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_waiting_has_an_end(bindery: Bindery, file: Path) -> None:
    ran = bindery("push", file, *names("1.5.0"), "--wait", "--timeout", "0.5")
    assert ran.status == Status.TIMED_OUT
    assert re.search(r"The binary is not (verified|signed by somebody) after 0.5 seconds", ran.err)


def test_what_the_server_refuses_is_told(bindery: Bindery, file: Path) -> None:
    ran = bindery("push", file, *names("1.6.0", target="Portable"))
    assert ran.status == Status.REFUSED
    assert "(BAD_USER_INPUT)" in ran.err


def test_a_wrong_key_and_no_key(
    bindery: Bindery, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINDERY_KEY", "bky_" + "x" * 43)
    ran = bindery("push", file, *names("1.0.0"))
    assert ran.status == Status.REFUSED
    assert ran.err.startswith("bindery: The server does not take BINDERY_KEY: ")
    assert ran.err.endswith(" (UNAUTHENTICATED)\n")
    monkeypatch.delenv("BINDERY_KEY")
    ran = bindery("push", file, *names("1.0.0"))
    assert (ran.status, "BINDERY_KEY" in ran.err) == (Status.USAGE, True)


def test_nobody_is_there(bindery: Bindery, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.service.TRIES", 1)
    monkeypatch.setenv("BINDERY_URL", "http://127.0.0.1:9")
    ran = bindery("push", file, *names("1.0.0"))
    assert ran.status == Status.UNREACHABLE
    assert ran.err == "bindery: The server at http://127.0.0.1:9 fails: Connection refused.\n"


def test_who_waits_is_told_why(
    bindery: Bindery, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.client.service.TRIES", 2)
    monkeypatch.setenv("BINDERY_URL", "http://127.0.0.1:9")
    told = "The server at http://127.0.0.1:9 fails: Connection refused"
    ran = bindery("push", file, *names("1.0.0"))
    assert ran.err.splitlines() == [f"{told}; trying again.", f"bindery: {told}."]
    assert bindery("push", file, *names("1.0.0"), "--json").err == f"bindery: {told}.\n"


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (("--timeout", "soon"), "soon is no number of seconds above 0"),
        (("--timeout", "nan"), "nan is no number of seconds above 0"),
        (("--timeout", "inf"), "inf is no number of seconds above 0"),
        (("--timeout", "0"), "0 is no number of seconds above 0"),
        (("--parallel", "two"), "two is no whole number from 1 on"),
        (("--parallel", "0"), "0 is no whole number from 1 on"),
    ],
)
def test_a_number_that_is_none_is_named(
    file: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["push", str(file), *names("1.0.0"), *option])
    assert stopped.value.code == Status.USAGE
    assert complaint in capsys.readouterr().err


def test_a_file_that_is_not_there(bindery: Bindery, tmp_path: Path) -> None:
    ran = bindery("push", tmp_path / "none", *names("1.0.0"))
    assert ran.status == Status.REFUSED
    assert ran.err == f"bindery: {tmp_path / 'none'} can't be read: No such file or directory.\n"


def test_on_a_terminal_a_bar_is_drawn(file: Path, pem: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = command("push", file, *names("1.7.0"), "--sign", pem, "--parallel", "1")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            some = os.read(ours, 4096)
        except OSError:
            break
        if not some:
            break
        drawn += some
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"SIGNED" in out
    assert b"\r[--" in drawn
    assert b"##] 100% of 12.0 MiB, " in drawn
    assert b"/s, 0:00 left" in drawn


def test_keys_in_both_forms_and_what_is_none(tmp_path: Path, pem: Path) -> None:
    assert isinstance(source.signer(pem), SigningKey)
    seed = bytes(range(32))
    path = tmp_path / "key.pem"

    def written(text: str) -> Path:
        path.write_text(text)
        return path

    for prefix in source._KEY_PREFIXES:
        der = prefix + seed + bytes.fromhex("812100") + bytes(SigningKey(seed).verify_key)
        body = base64.b64encode(der).decode()
        found = source.signer(
            written(f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
        )
        assert bytes(found) == seed
    for text in (
        "",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nA=A\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ):
        with pytest.raises(Usage):
            source.signer(written(text))


def test_an_interrupted_command_ends_at_once(tmp_path: Path) -> None:
    """While it reads a file that takes minutes to read, too."""
    file = tmp_path / "large.bin"
    file.touch()
    os.truncate(file, 1 << 40)
    process = subprocess.Popen(
        command("push", file, *names("1.9.0")), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    opened = Path(f"/proc/{process.pid}/fd")
    while not any(one.resolve() == file for one in opened.iterdir()):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == Status.INTERRUPTED
    assert (out, err) == (b"", b"Interrupted; the same command goes on where it was.\n")


def test_a_key_comes_by_a_pipe(file: Path, pem: Path) -> None:
    """So that a pipeline need not write it to a disk."""
    ran = subprocess.run(
        command("push", file, *names("1.8.0"), "--sign", "/dev/stdin", "--json"),
        input=pem.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, json.loads(ran.stdout)["state"]) == (0, "SIGNED")


def test_parts_depend_on_the_size_alone() -> None:
    assert source.part_size(1) == 5 * MIB
    assert source.part_size(1 << 30) == 5 * MIB
    assert source.part_size(10 << 30) == 11 * MIB
    assert -(-(10 << 40) // source.part_size(10 << 40)) <= 1_000

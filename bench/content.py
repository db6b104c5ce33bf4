"""Content against dd, openssl and plain reading, one after the other on the same disk.

    python -m bench.content --size 1024 --rounds 3

A round copies a file with `dd conv=fsync` and hashes it with `openssl`, uploads it, has the server
hash it and `openssl` hash the same blob, reads the blob in blocks of 1 MiB and downloads it. What
is read from the disk was dropped from memory before, for both. A download is hashed on its way, and
its end held back until the digest agrees, so the time of the digest alone is told as well.
Meanwhile a small query is asked every 10 ms. Status 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.results import circumstances
from bench.transfers import MIB, Asking, Bench, Sample
from tests.journeys.client import Api, connected

AT_ONCE: Final = 8
START_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 3.0
BINDERY: Final = [sys.executable, "-m", "bench.watched"]


def forget(path: Path) -> None:
    """Has the next read of a file come from the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(path: Path) -> None:
    """Reads a file in blocks of 1 MiB."""
    buffer = bytearray(MIB)
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while file.readinto(buffer):
            pass


def digest(size: int) -> None:
    """Hashes so many bytes that need no reading: no download that is checked can be faster."""
    sha256, block = hashlib.sha256(), bytes(MIB)
    for _ in range(size // MIB):
        sha256.update(block)


def openssl(path: Path) -> None:
    """Hashes a file."""
    subprocess.run(["openssl", "dgst", "-sha256", str(path)], check=True, capture_output=True)


def play(bench: Bench, sample: Sample, folder: Path) -> None:
    """One round with one file."""
    copy = folder / "copy"
    with bench.timed("dd + openssl"):
        dd = ["dd", f"if={sample.path}", f"of={copy}", "bs=1M", "conv=fsync"]
        subprocess.run(dd, check=True, capture_output=True)
        openssl(copy)
    copy.unlink()
    id, part = bench.binary(sample)
    with bench.weighed("upload"), bench.timed("upload"):
        bench.upload(sample, part["uploadUrl"])
    (blob,) = (path for path in bench.blobs.glob("??/*") if path.is_file())
    forget(blob)
    with bench.timed("openssl"):
        openssl(blob)
    bench.api.do("finishBinaryUpload", "binary { id }", binaryId=id)
    with bench.weighed("hashing"), bench.timed("hashing"):
        bench.api.do("startBinaryHashing", "binary { id }", binaryId=id)
        while bench.api.binary(id, "state")["state"] != "SIGNABLE":
            time.sleep(0.02)
    url = bench.api.binary(id, "downloadUrl")["downloadUrl"]
    for kind, drop in (("from the disk", True), ("from memory", False)):
        if drop:
            forget(blob)
        with bench.timed(f"reading {kind}"):
            read(blob)
        if drop:
            forget(blob)
        with bench.weighed("download"), bench.timed(f"download {kind}"):
            assert bench.download(url) == sample.size
    with bench.timed("its digest alone"):
        digest(sample.size)
    bench.reset(id)


def play_at_once(bench: Bench, sample: Sample) -> None:
    """Eight uploads of one file at the same time."""
    made = [bench.binary(sample) for _ in range(AT_ONCE)]
    with bench.weighed("8 uploads"), ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda one: bench.upload(sample, one[1]["uploadUrl"]), made))
    for id, _ in made:
        bench.api.do("finishBinaryUpload", "binary { id }", binaryId=id)
    bench.reset(*(id for id, _ in made))


@dataclass(frozen=True)
class Line:
    """A figure beside its target; without one, it is only told."""

    name: str
    figure: float
    unit: str
    target: float | None = None
    at_most: bool = True
    spread: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure is within its target."""
        if self.target is None:
            return True
        return self.figure <= self.target if self.at_most else self.figure >= self.target

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        wanted = "" if self.target is None else f"{sign} {self.target:g}"
        verdict = "" if self.target is None else ("met" if self.met else "MISSED")
        return (
            f"{self.name:<44} {self.figure:>9.2f} {self.unit:<6} {wanted:<8} {verdict:<7}"
            f" {self.spread}"
        )


def ratio(bench: Bench, name: str, plain: str, own: str, target: float | None = None) -> Line:
    """How fast the server is, where the plain program is 1: the median of the rounds' ratios."""
    pairs = list(zip(bench.seconds[plain], bench.seconds[own], strict=True))
    ratios = sorted(before / after for before, after in pairs)
    spread = (
        f"{ratios[0]:.2f} to {ratios[-1]:.2f};"
        f" {statistics.median(bench.seconds[plain]):.2f} s,"
        f" {statistics.median(bench.seconds[own]):.2f} s, of which the server's processor"
        f" {statistics.median(bench.cpu[own]):.2f} s"
    )
    return Line(name, statistics.median(ratios), "", target, at_most=False, spread=spread)


def lines(
    bench: Bench, before: list[float], meanwhile: list[float], stalls: dict[str, float]
) -> Iterator[Line]:
    """The table."""
    yield ratio(bench, "upload / (dd conv=fsync, openssl)", "dd + openssl", "upload", 0.5)
    yield ratio(bench, "hashing / openssl dgst -sha256", "openssl", "hashing", 0.9)
    for kind, target in (("from the disk", 0.6), ("from memory", None)):
        yield ratio(
            bench,
            f"download / reading, {kind}",
            f"reading {kind}",
            f"download {kind}",
            target,
        )
    yield ratio(
        bench,
        "its digest alone / reading, from the disk",
        "reading from the disk",
        "its digest alone",
    )
    for name in ("upload", "hashing", "download"):
        yield Line(f"memory, {name}", bench.grown[name] / MIB, "MiB", 16)
    yield Line("memory, 8 uploads at once", bench.grown["8 uploads"] / MIB, "MiB", 64)
    for when, seconds, target in (("before", before, None), ("meanwhile", meanwhile, 50)):
        p99 = sorted(seconds)[int(len(seconds) * 0.99)] * 1000
        asked = f"{len(seconds)} queries"
        yield Line(f"small query {when}, p99", p99, "ms", target, spread=asked)
    at_all = f"{stalls['longest_at_all'] * 1000:.0f} ms with what other programs took"
    yield Line("longest stall of the loop", stalls["longest"] * 1000, "ms", 100, spread=at_all)


@contextmanager
def served(data: Path, stalls: Path) -> Iterator[Bench]:
    """A server in a folder of its own, with what a round needs. Its end writes down its stalls."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("BINDERY_")}
    own |= {"BINDERY_RATE_REQUESTS": str(10**9), "BINDERY_RATE_COST": str(10**12)}
    # Nobody reads what the server says after its first line.
    own |= {"BINDERY_ACCESS_LOG": "false"}
    create = ["key", "create", "--organization", "bench", "--data", str(data)]
    made = subprocess.run(
        [*BINDERY, os.devnull, *create], env=own, check=True, capture_output=True, text=True
    )
    command = [*BINDERY, str(stalls), "serve", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1].removesuffix("/graphql")
        try:
            with connected(url) as http:
                api = Api(http, made.stdout.strip())
                artifact = api.do("createArtifact", "artifact { id }", name="bench")["id"]
                version = api.do(
                    "createArtifactVersion",
                    "artifactVersion { id }",
                    artifactId=artifact,
                    version="1",
                )
                where = urllib.parse.urlsplit(url)
                address = (where.hostname or "", where.port or 0)
                yield Bench(
                    api, made.stdout.strip(), address, process.pid, data / "blobs", version["id"]
                )
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def main() -> int:
    """Plays the rounds and prints the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description="Content against dd, openssl and plain reading.")
    parser.add_argument("--size", type=int, default=1024, help="MiB of content (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="bindery-bench-") as name:
        folder = Path(name)
        sample = Sample.made(folder / "sample", chosen.size * MIB)
        small = Sample.made(folder / "small", max(MIB, chosen.size * MIB // AT_ONCE))
        # Whatever a process needs for its first transfers of all is there after these.
        warm = Sample.made(folder / "warm", 32 * MIB)
        with served(folder / "data", folder / "stalls") as bench:
            play(bench, warm, folder)
            bench.seconds.clear()
            bench.cpu.clear()
            bench.grown.clear()
            asking = Asking(bench.address, bench.key)
            with asking.asked() as before:
                time.sleep(IDLE_SECONDS)
            with asking.asked() as meanwhile:
                for _ in range(chosen.rounds):
                    play(bench, sample, folder)
                play_at_once(bench, small)
        stalls = json.loads((folder / "stalls").read_text())
    told = list(lines(bench, before, meanwhile, stalls))
    print(f"{chosen.size} MiB, {chosen.rounds} rounds; " + "; ".join(circumstances().values()))
    print("\n".join(map(str, told)))
    missed = [line.name for line in told if not line.met]
    print(f"Missed: {', '.join(missed)}." if missed else "Every target is met.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())

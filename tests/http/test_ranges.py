"""Which bytes a header asks for, and where they lie."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.ranges import RangeNotSatisfiable, Span, requested, segments


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=2-5", Span(2, 6)),
        ("bytes=2-", Span(2, 10)),
        ("bytes=9-", Span(9, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-10", Span(0, 10)),
        ("bytes=-11", Span(0, 10)),
        ("bytes=0-9", Span(0, 10)),
        ("bytes=0-10", Span(0, 10)),
        ("bytes=007-0008", Span(7, 9)),
        ("Bytes=1-2", Span(1, 3)),
        (f"bytes=3-{'9' * 5_000}", Span(3, 10)),
        (f"bytes=-{'9' * 5_000}", Span(0, 10)),
        (f"bytes={'0' * 5_000}1-1", Span(1, 2)),
    ],
)
def test_a_single_range_is_taken(header: str, span: Span) -> None:
    assert requested([header], size=10) == span


@pytest.mark.parametrize(
    "header",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=1-2-3", "bytes=--1"),
        *("bytes=5-2", "bytes=900-100", "bytes= 1-2", "bytes=1 -2", "bytes=+1-2", "bytes=0x1-2"),
        *("items=0-1", "bytes:0-1", "bytes=0-1,3-4", "bytes=0-1,", "bytes=\u0661-2", "\x00"),
    ],
)
def test_what_is_malformed_reversed_or_more_than_one_is_ignored(header: str) -> None:
    assert requested([header], size=10) is None


def test_a_doubled_or_missing_header_is_ignored() -> None:
    assert requested([], size=10) is None
    assert requested(["bytes=0-1", "bytes=0-1"], size=10) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        *(("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), (f"bytes={'9' * 5_000}-", 10)),
        *(("bytes=0-", 0), ("bytes=0-0", 0), ("bytes=-0", 0)),
    ],
)
def test_a_range_beyond_the_end_is_refused_with_the_size(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        requested([header], size=size)
    assert caught.value.facts == {"size": size}
    assert caught.value.http_status == 416


def test_a_suffix_of_empty_content_is_all_of_it() -> None:
    assert requested(["bytes=-5"], size=0) is None


@pytest.mark.parametrize("range_", ["0-1", "-1", "5-2", "99-", ""])
def test_six_thousand_ranges_are_judged_in_ten_milliseconds(range_: str) -> None:
    header = "bytes=" + ",".join([range_] * 6_000)
    before = time.perf_counter()
    assert requested([header], size=10) is None
    assert time.perf_counter() - before < 0.01


@given(st.lists(st.binary(max_size=9), max_size=6), st.integers(0, 60), st.integers(0, 60))
def test_segments_are_the_slice(blobs: list[bytes], one: int, other: int) -> None:
    span = Span(min(one, other), max(one, other))
    sizes = [(str(number), len(blob)) for number, blob in enumerate(blobs)]
    found = list(segments(sizes, span))
    taken = [blobs[int(each.blob)][each.start : each.start + each.length] for each in found]
    assert b"".join(taken) == b"".join(blobs)[span.start : span.stop]
    assert [len(each) for each in taken] == [each.length for each in found]
    assert all(taken)

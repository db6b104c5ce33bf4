"""Tables for people: columns by their widest cell, two spaces between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def table(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The lines of a table, whose first row is its head; nothing for a head alone."""
    if len(rows) < 2:
        return
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def facts(pairs: Sequence[tuple[str, object]]) -> Iterator[str]:
    """The lines of names and values."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        yield f"{name.ljust(width)}  {value}"

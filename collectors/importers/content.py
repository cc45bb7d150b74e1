"""What a file that no importer knows seems to be, and what its owner can do."""

from __future__ import annotations

from traindoctor.text import Text

from ..intake.source import Source
from ..intake.text_reader import LEAST_ROWS

MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", Text("a zip archive, which a PyTorch checkpoint is too; it holds weights, not curves")),
    (b"\x80", Text("a pickle, which is never opened because it can run code")),
    (b"\x89PNG", Text("a picture")),
    (b"\xff\xd8\xff", Text("a picture")),
    (b"%PDF", Text("a PDF")),
    (b"\x89HDF", Text("an HDF5 file, which holds weights, not curves")),
    (b"PAR1", Text("a Parquet file; export it as CSV")),
    (b"\x93NUMPY", Text("a NumPy array; save it as CSV with named columns")),
    (b"SQLite format 3", Text("an SQLite database of an unknown tool; export the run as CSV")),
    (b"\x7fELF", Text("a program")),
    (b"<!DOCTYPE", Text("a web page")),
    (b"<html", Text("a web page")),
)


def unknown_content(source: Source) -> str:
    """A sentence for a file in which no importer found a training log."""
    head = source.head()
    for magic, what in MAGIC:
        if head.startswith(magic):
            return f"expected a training log, found {what}: {source.name}"
    if b"\0" in head[:4096] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return (
            f"expected a training log, found unknown binary data in {source.name} "
            f"(it begins with {head[:8].hex(' ')}); `traindoctor import --formats` lists what can be read"
        )
    first = next((line.strip() for line in source.head_text().split("\n") if line.strip()), "")
    return (
        f"expected a training log, found text in {source.name} in which fewer than {LEAST_ROWS} rows name a "
        f"loss or a metric beside a number (it begins with {first[:60]!r}); `traindoctor import --formats` "
        "lists what can be read, and a table can be read with --map loss=COLUMN,step=COLUMN"
    )

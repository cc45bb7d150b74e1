"""What of PDF/UA-1 (ISO 14289-1) can be told from a file with pypdf: each broken clause as a sentence."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pypdf
from pypdf.generic import ArrayObject, ContentStream, DictionaryObject, IndirectObject

PAINTS = {
    b"Tj",
    b"TJ",
    b"'",
    b'"',
    b"S",
    b"s",
    b"f",
    b"F",
    b"f*",
    b"B",
    b"B*",
    b"b",
    b"b*",
    b"Do",
    b"sh",
    b"EI",
}
"""Operators that leave something on the page."""
IN_THE_MARGIN = 3
"""Head, name and number of the page: WeasyPrint gives them tags and leaves them out of the structure."""
HEADINGS = {f"/H{level}": level for level in range(1, 7)}


def problems(data: bytes) -> list[str]:
    """Every broken clause that was found, [] when none was."""
    reader = pypdf.PdfReader(io.BytesIO(data))
    root = reader.trailer["/Root"].get_object()
    elements = list(walk(root["/StructTreeRoot"]))
    return [
        *_document(reader, root),
        *_headings(elements),
        *_figures(elements),
        *_tables(elements),
        *_lists(elements),
        *_content(reader, elements),
        *_annotations(reader, elements),
        *_fonts(reader),
    ]


def walk(node: Any, parents: tuple[str, ...] = ()) -> Iterator[tuple[DictionaryObject, tuple[str, ...]]]:
    """Every structure element with the kinds of those above it, in reading order."""
    node = node.get_object()
    kind = str(node.get("/S", "")) if isinstance(node, DictionaryObject) else ""
    if kind:
        yield node, parents
    kids = node.get("/K", []) if isinstance(node, DictionaryObject) else []
    kids = kids.get_object() if isinstance(kids, IndirectObject) else kids
    for kid in kids if isinstance(kids, ArrayObject) else [kids]:
        kid = kid.get_object() if isinstance(kid, IndirectObject) else kid
        if isinstance(kid, DictionaryObject) and "/S" in kid:
            yield from walk(kid, (*parents, kind) if kind else parents)


def _document(reader: Any, root: Any) -> Iterator[str]:
    xmp = root["/Metadata"].get_object().get_data().decode("utf-8")
    if not root.get("/MarkInfo", {}).get("/Marked"):
        yield "7.1: the document is not marked as tagged"
    if not root.get("/Lang"):
        yield "7.2: the document has no language"
    if "<pdfuaid:part>1<" not in xmp and 'pdfuaid:part="1"' not in xmp:
        yield "5: the metadata do not say PDF/UA-1"
    if "dc:title" not in xmp:
        yield "7.1: the metadata have no title"
    if not root.get("/ViewerPreferences", {}).get_object().get("/DisplayDocTitle"):
        yield "7.1: the window does not show the title"
    if not reader.outline:
        yield "7.17: no bookmarks"
    if root["/StructTreeRoot"].get_object().get("/RoleMap"):
        known = {
            "/Document",
            "/Sect",
            "/Div",
            "/P",
            "/Span",
            "/L",
            "/LI",
            "/Lbl",
            "/LBody",
            "/Table",
            "/Figure",
        }
        wrong = [v for v in root["/StructTreeRoot"].get_object()["/RoleMap"].values() if str(v) not in known]
        if wrong:
            yield f"7.1: kinds mapped to no standard kind: {wrong}"


def _headings(elements: Any) -> Iterator[str]:
    levels = [HEADINGS[str(element["/S"])] for element, _ in elements if str(element["/S"]) in HEADINGS]
    if levels[:1] != [1]:
        yield f"7.4.2: the first heading has level {levels[:1]}"
    for before, after in pairwise(levels):
        if after > before + 1:
            yield f"7.4.2: a heading of level {after} follows one of level {before}"


def _figures(elements: Any) -> Iterator[str]:
    for element, _ in elements:
        if (
            str(element["/S"]) == "/Figure"
            and not str(element.get("/Alt", element.get("/ActualText", ""))).strip()
        ):
            yield "7.3: a figure without a text in its place"


def _attribute(element: Any, name: str) -> Any:
    found = element.get("/A", [])
    found = found.get_object() if isinstance(found, IndirectObject) else found
    for one in found if isinstance(found, ArrayObject) else [found]:
        one = one.get_object() if isinstance(one, IndirectObject) else one
        if isinstance(one, DictionaryObject) and name in one:
            return one[name]
    return None


def _tables(elements: Any) -> Iterator[str]:
    names = {str(element["/ID"]) for element, _ in elements if "/ID" in element}
    for element, parents in elements:
        kind = str(element["/S"])
        if (
            kind == "/TD"
            and not (heads := {str(head) for head in _attribute(element, "/Headers") or ()}) <= names
        ):
            yield f"7.5: a cell names headers that do not exist: {heads - names}"
        if kind == "/TD" and not heads:
            yield "7.5: a cell without its headers"
        if kind in ("/TH", "/TD") and parents[-1:] != ("/TR",):
            yield f"7.2: a cell inside {parents[-1:]}"
        if kind == "/TR" and parents[-1] not in ("/Table", "/THead", "/TBody", "/TFoot"):
            yield f"7.2: a row inside {parents[-1]}"
        if kind in ("/THead", "/TBody", "/TFoot", "/Caption") and parents[-1] not in (
            "/Table",
            "/Figure",
            "/L",
        ):
            yield f"7.2: {kind} inside {parents[-1]}"


def _lists(elements: Any) -> Iterator[str]:
    for element, parents in elements:
        kind = str(element["/S"])
        if kind == "/LI" and parents[-1] != "/L":
            yield f"7.2: a list item inside {parents[-1]}"
        if kind in ("/LBody", "/Lbl") and parents[-1] != "/LI":
            yield f"7.2: {kind} inside {parents[-1]}"


def _content(reader: Any, elements: Any) -> Iterator[str]:
    """Everything painted is either tagged or marked as an artifact, and every tag is used in the tree."""
    claimed: set[tuple[int, int]] = set()
    for element, _ in elements:
        kids = element.get("/K", [])
        kids = kids.get_object() if isinstance(kids, IndirectObject) else kids
        for kid in kids if isinstance(kids, ArrayObject) else [kids]:
            kid = kid.get_object() if isinstance(kid, IndirectObject) else kid
            if isinstance(kid, DictionaryObject) and "/MCID" in kid:
                page = kid.raw_get("/Pg") if "/Pg" in kid else element.raw_get("/Pg")
                claimed.add((page.idnum, int(kid["/MCID"])))
            elif isinstance(kid, int):
                claimed.add((element.raw_get("/Pg").idnum, int(kid)))
    for number, page in enumerate(reader.pages, 1):
        found = _painted(reader, page)
        own = page.indirect_reference.idnum
        if found["untagged"]:
            yield f"7.1: page {number} paints {found['untagged']} times outside of any tag"
        unclaimed = {mcid for mcid in found["mcids"] if (own, mcid) not in claimed}
        if len(unclaimed) > IN_THE_MARGIN:
            yield f"7.1: page {number} has {len(unclaimed)} tags that the structure does not hold"


def _painted(reader: Any, page: Any) -> dict[str, Any]:
    stack: list[bool] = []
    untagged, mcids = 0, set()
    properties = page["/Resources"].get("/Properties", {})
    contents = page.get("/Contents")
    if contents is None:
        return {"untagged": 0, "mcids": mcids}
    for operands, operator in ContentStream(contents, reader).operations:
        if operator in (b"BDC", b"BMC"):
            told = operands[1] if operator == b"BDC" else {}
            told = properties.get(told, {}).get_object() if isinstance(told, str) else told
            if "/MCID" in told:
                mcids.add(int(told["/MCID"]))
            stack.append(str(operands[0]) == "/Artifact" or "/MCID" in told or any(stack))
        elif operator == b"EMC":
            stack.pop()
        elif operator in PAINTS and not any(stack):
            untagged += 1
    return {"untagged": untagged, "mcids": mcids}


def _annotations(reader: Any, elements: Any) -> Iterator[str]:
    tagged: set[int] = set()
    for element, _ in elements:
        kids = element.get("/K", [])
        for kid in kids if isinstance(kids, ArrayObject) else [kids]:
            kid = kid.get_object() if isinstance(kid, IndirectObject) else kid
            if isinstance(kid, DictionaryObject) and kid.get("/Type") == "/OBJR":
                tagged.add(kid.raw_get("/Obj").idnum)
    for number, page in enumerate(reader.pages, 1):
        notes = page.get("/Annots", [])
        if notes and page.get("/Tabs") != "/S":
            yield f"7.18.3: page {number} has annotations whose order is not that of the structure"
        for note in notes:
            if note.idnum not in tagged:
                yield f"7.18.1: an annotation of page {number} is not in the structure"
            if not str(note.get_object().get("/Contents", "")).strip():
                yield f"7.18.5: a link of page {number} has no description"


def _fonts(reader: Any) -> Iterator[str]:
    for font in _all_fonts(reader):
        inner = font.get("/DescendantFonts", [font])[0].get_object()
        descriptor = inner.get("/FontDescriptor", {}).get_object()
        if not any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3")):
            yield f"7.21.4: {font.get('/BaseFont')} is not embedded"
        if "/ToUnicode" not in font:
            yield f"7.21.7: {font.get('/BaseFont')} has no Unicode values"


def _all_fonts(reader: Any) -> list[Any]:
    found: dict[str, Any] = {}

    def look(resources: Any, depth: int = 0) -> None:
        for font in resources.get("/Font", {}).values():
            font = font.get_object()
            found[str(font.get("/BaseFont"))] = font
        for inner in resources.get("/XObject", {}).values():
            inner = inner.get_object()
            if depth < 4 and "/Resources" in inner:
                look(inner["/Resources"].get_object(), depth + 1)

    for page in reader.pages:
        look(page["/Resources"].get_object())
    return list(found.values())

"""The catalogues of the reports' languages: `update` after a text changed, `compile` after a translation.

python scripts/catalogue.py update     new messages into the .po files, vanished ones out
python scripts/catalogue.py compile    .mo files from the .po files
python scripts/catalogue.py missing    messages without translation, numbered
"""

from __future__ import annotations

import ast
import inspect
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import note_sentences
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("traindoctor", "analyzer", "collectors", "report_templates")
LOCALES = ROOT / "report_templates" / "locale"
HEADER = """\
# Texts of the reports. Written by scripts/catalogue.py; edit the msgstr lines only.
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plural}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
KEYWORDS = {"Text": None, "_": None, "looked_up": None, "counted": (1, 2), "number_of": (1, 2)}
_EVIDENCE_FILES = ("evidence.py", "decision.py", "prescription.py", "answers.py")
_NUMBERED = {"evidence", "units", "figures", "facts"}
"""Names under which detectors collect name -> number and name -> unit."""


def messages() -> dict[str | tuple[str, str], list[str]]:
    """Every message of the reports with the files it stands in: code, templates, evidence, methods, notes."""
    found: dict[str | tuple[str, str], list[str]] = {}
    for path in sources():
        place = path.relative_to(ROOT).as_posix()
        notes = note_sentences.messages(path) if writes_notes(path) else []
        for message in (*_marked(path), *_unmarked(path), *notes):
            if message:
                found.setdefault(message, []).append(place)
    return found


def sources() -> list[Path]:
    """Files that hold texts; the links `traindoctor/analyzer` and so on are not followed."""
    links = {ROOT / "traindoctor" / name for name in FOLDERS[1:]}
    paths = [
        path for folder in FOLDERS for ending in ("py", "j2") for path in (ROOT / folder).rglob(f"*.{ending}")
    ]
    return sorted(path for path in paths if not links.intersection(path.parents))


def writes_notes(path: Path) -> bool:
    """Whether what the file writes into notes is read: recorders and importers, and the reader of the log."""
    place = path.relative_to(ROOT)
    return path.suffix == ".py" and (place.parts[0] == "collectors" or path.name == "runlog_reader.py")


def _marked(path: Path) -> Iterator[str | tuple[str, str]]:
    method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
    options = {"trim_blocks": "true", "lstrip_blocks": "true"}
    with path.open("rb") as stream:
        for _, message, _, _ in extract(method, stream, KEYWORDS, options=options):
            yield (str(message[0]), str(message[1])) if isinstance(message, (tuple, list)) else str(message)


def _unmarked(path: Path) -> Iterator[str | tuple[str, str]]:
    """Names and units of evidence, and how each check decides: they reach the page as plain text."""
    if path.suffix != ".py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _nouns(tree)
    if path.name == "names.py":
        yield from _series_units(tree)
    if path.parent.name != "detectors" and path.name not in _EVIDENCE_FILES:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from _evidence(node)
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id in _NUMBERED
        ):
            yield from _worded(node.slice)
        elif isinstance(node, ast.Assign):
            names = {
                part.value.id
                for target in node.targets
                for part in ast.walk(target)
                if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name)
            }
            if names & _NUMBERED:
                for part in ast.walk(node.value):
                    yield from _worded(part)
        elif isinstance(node, ast.ClassDef) and path.parent.name == "detectors":
            paragraphs = inspect.cleandoc(ast.get_docstring(node, clean=False) or "").split("\n\n")
            is_detector = any(isinstance(n, ast.FunctionDef) and n.name == "check" for n in node.body)
            if is_detector and len(paragraphs) > 1:
                yield " ".join(paragraphs[1].split())


def _nouns(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What `number_format.plural` counts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("plural") and len(node.args) > 1:
            for noun in ast.walk(node.args[1]):
                if isinstance(noun, ast.Constant) and isinstance(noun.value, str):
                    yield f"{{n}} {noun.value}", f"{{n}} {noun.value}s"


def _series_units(tree: ast.AST) -> Iterator[str]:
    """Units of the recorded quantities."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Quantity":
            yield from _worded(node.args[1])


def _evidence(node: ast.Dict) -> Iterator[str]:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None:
            yield from _worded(key)
        yield from _worded(value.elts[-1] if isinstance(value, ast.Tuple) and value.elts else value)


def _worded(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
        if any(c.isalpha() for c in text) and "\n" not in text and not text.isupper():
            yield text.replace("_", " ")


def read(path: Path) -> Catalog:
    """One catalogue."""
    with path.open("rb") as stream:
        catalog = read_po(stream, locale=path.parent.parent.name)
    # Else Babel takes the present time, and the same translations would give other bytes.
    catalog.creation_date = catalog.revision_date = datetime.fromtimestamp(0, UTC)
    return catalog


def catalogues() -> list[Path]:
    """Every .po file."""
    return sorted(LOCALES.glob("*/LC_MESSAGES/*.po"))


def compiled(catalog: Catalog) -> bytes:
    """The bytes of the .mo file."""
    stored = io.BytesIO()
    write_mo(stored, catalog)
    return stored.getvalue()


def updated(old: Catalog) -> Catalog:
    """The catalogue with exactly the present messages; translations of unchanged ones stay."""
    new = Catalog(locale=old.locale)
    for message, places in sorted(messages().items(), key=lambda item: (item[1][0], str(item[0]))):
        known = old.get(message if isinstance(message, str) else message[0])
        new.add(message, known.string if known else None, [(places[0], None)])
    return new


def write(path: Path, catalog: Catalog) -> None:
    """Store a catalogue and what is compiled from it."""
    stored = io.BytesIO()
    write_po(stored, catalog, width=110, include_lineno=False, omit_header=True)
    text = HEADER.format(language=catalog.locale, plural=catalog.plural_forms) + stored.getvalue().decode()
    path.write_text(text, encoding="utf-8")
    path.with_suffix(".mo").write_bytes(compiled(read(path)))


def is_translated(message: Message) -> bool:
    """Whether there is a translation, in every plural form."""
    return bool(message.string if isinstance(message.string, str) else message.string and all(message.string))


def main(arguments: list[str]) -> int:
    """Run one of the three commands."""
    if arguments not in (["update"], ["compile"], ["missing"]):
        print(__doc__)
        return 2
    for path in catalogues():
        catalog = read(path)
        if arguments == ["update"]:
            catalog = updated(catalog)
        if arguments != ["missing"]:
            write(path, catalog)
        untranslated = [m for m in catalog if m.id and not is_translated(m)]
        if arguments == ["missing"]:
            for number, message in enumerate(untranslated):
                print(f"{number}\t{message.id!r}")
        else:
            total = sum(1 for m in catalog if m.id)
            print(f"{path.relative_to(ROOT)}: {total - len(untranslated)} of {total} messages translated")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

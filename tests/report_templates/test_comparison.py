"""The comparison in every format: the same numbers, nothing that acts, and as a section of a report."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import pytest

from tests.hall import comparisons
from traindoctor.comparing import compare
from traindoctor.comparison import Comparison
from traindoctor.errors import UsageError
from traindoctor.gating import judge
from traindoctor.report_templates.comparison_formats import FORMATS, comparison_bytes
from traindoctor.report_templates.comparison_words import change_text, conclusion, shown
from traindoctor.report_templates.json_report import json_report
from traindoctor.report_templates.markdown import markdown_report
from traindoctor.report_templates.page import build_page, key_facts

from .schema_check import violations
from .test_json import DOCS, SCHEMA
from .test_markdown import _outside_code
from .test_notebook import Tags


def seeds(gain: float, noise: float = 0.01) -> Comparison:
    runs = [comparisons.run(f"o{i}", seed=i, best=0.5 + noise * i, accuracy=0.8 + 0.01 * i) for i in range(3)]
    runs += [
        comparisons.run(f"n{i}", seed=i, lr=0.2, best=0.4, accuracy=0.8 + 0.01 * i + gain + 0.001 * (-1) ** i)
        for i in range(3)
    ]
    return compare([comparisons.diagnosis(run) for run in runs])


@pytest.fixture(scope="module")
def pair() -> Comparison:
    return compare(
        [
            comparisons.diagnosis(comparisons.run("main", best=0.5), comparisons.finding("TD1")),
            comparisons.diagnosis(comparisons.run("new", best=0.40125, lr=0.2, accuracy=0.85)),
        ]
    )


@pytest.fixture(scope="module")
def hostile() -> Comparison:
    return compare(comparisons.hostile_pair())


def plain(text: str, kind: str) -> str:
    """What a reader sees: tags, entities and escapes gone, one space between words."""
    if kind == "html":
        text = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(style|script).*?</\1>", " ", text)))
    if kind == "md":
        text = html.unescape(re.sub(r"\\([^\w\s])", r"\1", text)).replace("|", " ").replace("**", "")
    return re.sub(r"\s+", " ", text)


def test_every_format_has_the_same_numbers(pair: Comparison) -> None:
    document = json.loads(comparison_bytes(pair, "json"))
    for number, stored in zip(pair.numbers, document["numbers"], strict=True):
        assert tuple(stored["values"]) == number.values
        row = [number.name, shown(number, 0), shown(number, 1), change_text(number, 1)]
        for kind in ("text", "html", "md"):
            found = plain(comparison_bytes(pair, kind).decode(), kind)
            assert plain(" ".join(row), "text") in found, (kind, row)


def test_numbers_are_those_of_the_report(pair: Comparison) -> None:
    """Parsed back from page one: the same run gives the same numbers beside another one and by itself."""
    alone = {fact.label: fact.value for fact in key_facts(comparisons.diagnosis(pair.runs[1].run))}
    beside = {number.name: shown(number, 1) for number in pair.numbers}
    shared = set(alone) & set(beside)
    assert {
        "best validation loss",
        "final validation loss",
        "final training loss",
        "peak learning rate",
    } <= shared
    assert {name: alone[name] for name in shared} == {name: beside[name] for name in shared}


def test_one_seed_each_says_so(pair: Comparison) -> None:
    tone, state, sentence = conclusion(pair)
    assert (tone, state) == ("neutral", "One seed each")
    assert "cannot be told from an effect" in sentence
    for kind in ("text", "html", "md"):
        assert "cannot be told from an effect" in plain(comparison_bytes(pair, kind).decode(), kind)


@pytest.mark.parametrize(("gain", "state", "tone"), [(0.1, "Better", "good"), (-0.1, "Worse", "warning")])
def test_paired_seeds_conclude(gain: float, state: str, tone: str) -> None:
    found = conclusion(seeds(gain))
    assert found[:2] == (tone, state)
    assert "3 pairs of equal seeds" in found[2]


def test_within_seed_noise() -> None:
    found = seeds(0.0002)
    assert conclusion(found)[1] == "Within seed noise"
    assert "within seed noise" in plain(comparison_bytes(found, "md").decode(), "md")


def test_seeds_of_one_recipe() -> None:
    runs = [comparisons.run(f"o{i}", seed=i, accuracy=0.8 + 0.01 * i) for i in range(3)]
    _, state, sentence = conclusion(compare([comparisons.diagnosis(run) for run in runs]))
    assert state == "Same recipe"
    assert sentence.endswith("mean 81\xa0%, standard deviation 1 point over 3 runs.")


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_are_deterministic_and_hold_no_control_characters(hostile: Comparison, kind: str) -> None:
    first = comparison_bytes(hostile, kind)
    assert first == comparison_bytes(hostile, kind)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u202e]", first.decode())


def test_hostile_names_in_markdown(hostile: Comparison) -> None:
    outside = _outside_code(comparison_bytes(hostile, "md").decode())
    assert "everyone" in outside
    assert not re.search(r"@\w", outside)
    assert "://" not in outside
    assert set(re.findall(r"<[^>]*>", outside)) <= {"<details>", "</details>", "<summary>", "</summary>"}


def test_hostile_names_in_html(hostile: Comparison) -> None:
    text = comparison_bytes(hostile, "html").decode()
    parser = Tags()
    parser.feed(text)
    tags = [tag for tag, _ in parser.found]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert not [name for _, attributes in parser.found for name in attributes if name.startswith("on")]
    assert "default-src &#39;none&#39;" in text


def test_hostile_names_in_json_come_back_unchanged(hostile: Comparison) -> None:
    document = json.loads(comparison_bytes(hostile, "json"))
    assert document["runs"][1]["name"] == hostile.runs[1].run.name


def test_many_runs_fit_the_page() -> None:
    runs = [comparisons.run(f"r{i}", lr=0.1 + 0.01 * i) for i in range(12)]
    text = comparison_bytes(compare([comparisons.diagnosis(run) for run in runs]), "md").decode()
    assert "4 more runs not shown" in text
    assert "against A |" not in text.split("Each run beside A")[1].split("Losses are")[0]
    assert "The first 8 of 12 runs are drawn" in text


def test_axis_of_epochs_and_of_fractions() -> None:
    a, b = (comparisons.diagnosis(comparisons.run(name, n=n)) for name, n in (("a", 200), ("b", 400)))
    for axis, label in (("epoch", "epoch"), ("fraction", "% of the run")):
        text = comparison_bytes(compare([a, b], axis), "html").decode()  # type: ignore[arg-type]
        assert f'"unit":"{label}","whole":false' in text


def test_a_report_with_a_base_has_the_section_and_the_json(pair: Comparison) -> None:
    diagnosis = replace(comparisons.diagnosis(pair.runs[1].run), comparison=pair)
    section = next(s for s in build_page(diagnosis).sections if s.id == "comparison")
    assert section.title == "Compared with main"
    assert "## Compared with main" in markdown_report(diagnosis, {}).decode()
    assert json.loads(json_report(diagnosis, {}))["comparison"] == json.loads(comparison_bytes(pair, "json"))


def test_with_base_and_gate_the_json_fits_the_schema(pair: Comparison) -> None:
    diagnosis = comparisons.diagnosis(pair.runs[1].run, comparisons.finding())
    judged = replace(diagnosis, comparison=pair, gate=judge(diagnosis, "high", diagnosis))
    document = json.loads(json_report(judged, {}))
    assert violations(document, SCHEMA, SCHEMA) == []
    document["gate"]["passed"] = "yes"
    del document["comparison"]["runs"]
    assert len(violations(document, SCHEMA, SCHEMA)) == 2


def test_every_key_of_the_json_is_documented() -> None:
    words = set(re.findall(r"`([a-z_]+)`", (DOCS / "comparison-json.md").read_text()))
    document = json.loads(comparison_bytes(seeds(0.1), "json"))
    keys = set(document)
    for part in document.values():
        for entry in part if isinstance(part, list) else []:
            keys |= set(entry) if isinstance(entry, dict) else set()
    assert "conclusion" in keys
    assert keys <= words


def test_an_unknown_format_is_a_usage_error(pair: Comparison) -> None:
    with pytest.raises(UsageError, match="text, html, md, json"):
        comparison_bytes(pair, "docx")

"""Finding detectors by code and name, and plugins that misbehave."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from traindoctor.analyzer import catalog
from traindoctor.analyzer.catalog import CATALOG, all_detectors, choose, explain
from traindoctor.errors import UsageError


@dataclass(frozen=True)
class Stranger:
    """Reports nothing."""

    code: str = "TD999"
    name: str = "stranger"
    needs: tuple[str, ...] = ()

    def check(self, run) -> Iterator:
        yield from ()


def with_plugins(monkeypatch, **plugins):
    monkeypatch.setattr(catalog, "load_plugins", lambda group: (plugins, {}))
    return all_detectors()


def codes(detectors):
    return [detector.code for detector in detectors]


@pytest.mark.parametrize("name", ["TD101", "td101", "plateau", " Plateau "])
def test_explain_by_code_or_name(name):
    assert explain(name).startswith("TD101 plateau\n\nReports a loss")


@pytest.mark.parametrize(
    ("name", "near"), [("plateu", "plateau"), ("TD1011", "TD101"), ("over-fitting", "overfitting")]
)
def test_an_unknown_name_lists_the_nearest(name, near):
    with pytest.raises(UsageError, match=f"found '{name}'; nearest: .*{near}"):
        explain(name)


def test_explain_wants_one_detector():
    with pytest.raises(UsageError):
        explain("TD1")


def test_choose_by_code_beginning_and_name():
    assert codes(choose(CATALOG, ["TD4"], [])) == [c for c in codes(CATALOG) if c.startswith("TD4")]
    assert codes(choose(CATALOG, ["plateau", "TD102"], [])) == ["TD101", "TD102"]
    assert codes(choose(CATALOG, ["TD1"], ["plateau"]))[0] == "TD102"
    assert codes(choose(CATALOG, [], ["TD"])) == []
    assert choose(CATALOG, [], []) == CATALOG


@pytest.mark.parametrize("name", ["", "no-such-thing", "XX1"])
def test_choose_refuses_names_that_fit_nothing(name):
    with pytest.raises(UsageError):
        choose(CATALOG, [name], [])
    with pytest.raises(UsageError):
        choose(CATALOG, [], [name])


def test_a_plugin_joins_as_class_or_instance(monkeypatch):
    for plugin in (Stranger, Stranger()):
        detectors, broken = with_plugins(monkeypatch, mine=plugin)
        assert codes(detectors)[-1] == "TD999"
        assert not broken


def test_broken_plugins_are_named_and_left_out(monkeypatch):
    class Raises:
        def __init__(self):
            raise RuntimeError("boom")

    detectors, broken = with_plugins(monkeypatch, raises=Raises, number=5, taken=Stranger(code="TD101"))
    assert detectors == CATALOG
    assert "boom" in broken["raises"]
    assert "no detector" in broken["number"]
    assert "TD101" in broken["taken"]


def test_every_detector_says_how_it_decides():
    from traindoctor.analyzer.catalog import methods

    found = methods()
    assert set(found) >= {detector.code for detector in CATALOG}
    assert all(len(text) > 80 and "\n" not in text for text in found.values())

"""Laws that every detector of the catalogue keeps, whatever it looks for."""

import doctest
import inspect
import re
import sys
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.catalog import CATALOG
from traindoctor.analyzer.engine import diagnose, examine
from traindoctor.detector import Detector
from traindoctor.finding import Severity
from traindoctor.run import Event, OptimizerInfo, ParameterInfo, Run, RunInfo, Series

SECTIONS = ("Why it matters:", "When it is wrong:", "What to try:", "Source:", "Example:")
EACH = pytest.mark.parametrize("detector", CATALOG, ids=lambda detector: f"{detector.code}-{detector.name}")
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?%?(?![\w])")

TROUBLED = {
    "nan": runs.nan_run,
    "diverged": runs.diverged_run,
    "spiked": runs.spiked_run,
    "plateaued": runs.plateaued_run,
    "unlearning": runs.unlearning_run,
    "marginal": runs.marginal_run,
    "overfitted": runs.overfitted_run,
    "memorised": runs.memorised_run,
    "improving": runs.improving_run,
}


def everything(values, steps=None):
    """A run with every recordable quantity, all with the same values."""
    series = Series(np.arange(len(values)) if steps is None else steps, np.asarray(values, dtype=float))
    names = (
        "loss/train",
        "loss/validation",
        "accuracy/validation",
        "lr/0",
        "grad_norm/global",
        "grad_norm/preclip",
        "time/step",
        "epoch",
        "batch_size",
        "amp/scale",
        "amp/skipped",
        "micro_batches",
        "stale_gradients",
    )
    quantities = (
        "weight_norm",
        "weight_rms",
        "weight_max",
        "weight_mean",
        "weight_std",
        "weight_zeros",
        "grad_norm",
        "update_norm",
        "update_ratio",
        "grad_zero_rows",
        "grad_dead_rows",
    )
    tables = {q: {p.name: series for p in runs.parameter_infos()} for q in quantities}
    return Run("any", "any", dict.fromkeys(names, series), tables, (), None, runs.known_info())


ODD = {
    "empty": Run("empty", "empty"),
    "no points": everything([]),
    "one step": everything([1.0]),
    "two steps": everything([1.0, 0.5]),
    "one late step": everything([1.0], np.array([1000])),
    "all NaN": everything(np.full(500, np.nan)),
    "all infinite": everything(np.full(500, np.inf)),
    "zeros": everything(np.zeros(500)),
    "ones": everything(np.ones(500)),
    "negative": everything(np.linspace(-0.1, -0.9, 500)),
    "tiny": everything(np.linspace(2e-300, 1e-300, 500)),
    "vast": everything(np.geomspace(1.0, 1e308, 500)),
    "falling to minus vast": everything(-np.geomspace(1.0, 1e308, 500)),
    "every other NaN": everything(np.where(np.arange(500) % 2, np.nan, 1.0)),
    "sparse": everything(np.linspace(2.0, 1.0, 500), np.arange(500) * 1000),
    "noise": everything(np.random.default_rng(0).normal(size=500)),
    "twenty": everything(np.linspace(2.0, 1.0, 20)),
}


def test_codes_and_names_are_unique_and_ordered():
    codes = [detector.code for detector in CATALOG]
    assert codes == sorted(set(codes))
    assert len({detector.name for detector in CATALOG}) == len(CATALOG)


@EACH
def test_is_a_frozen_dataclass_with_code_name_and_needs(detector):
    assert isinstance(detector, Detector)
    assert is_dataclass(detector)
    assert type(detector).__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert re.fullmatch(r"TD[1-9]\d\d", detector.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", detector.name)
    assert {"code", "name", "needs"} <= {field.name for field in fields(detector)}


@EACH
def test_documentation_has_every_section_in_order(detector):
    text = inspect.getdoc(type(detector)) or ""
    assert re.match(r"Reports? \S.*\.$", text.splitlines()[0]), "the first line says what it reports"
    places = [text.find(f"\n{section}") for section in SECTIONS]
    assert -1 not in places, dict(zip(SECTIONS, places, strict=True))
    assert places == sorted(places)
    assert places[0] > len(text.splitlines()[0]) + 80, "how it decides is missing"


@EACH
def test_example_runs(detector):
    kind = type(detector)
    names = {
        "np": np,
        "Run": Run,
        "RunInfo": RunInfo,
        "Series": Series,
        "Event": Event,
        "ParameterInfo": ParameterInfo,
        "OptimizerInfo": OptimizerInfo,
    }
    module = vars(sys.modules[kind.__module__])
    examples = doctest.DocTestFinder(recurse=False).find(kind, kind.__name__, globs={**names, **module})
    runner = doctest.DocTestRunner()
    for example in examples:
        assert example.examples
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


@EACH
@pytest.mark.parametrize("odd", ODD)
def test_odd_runs_do_not_break_it(detector, odd):
    findings, why = examine(detector, ODD[odd])
    assert not why.startswith("the check failed"), why
    for finding in findings:
        assert 0 <= finding.first_step <= finding.last_step <= max(ODD[odd].n_steps - 1, 0)


@EACH
@pytest.mark.parametrize("trouble", TROUBLED)
def test_findings_are_sound(detector, trouble):
    run = TROUBLED[trouble]()
    findings, why = examine(detector, run)
    assert not why.startswith("the check failed"), why
    for finding in findings:
        assert (finding.code, finding.name) == (detector.code, detector.name)
        assert 0 <= finding.first_step <= finding.last_step < run.n_steps
        assert finding.message.endswith(".")
        assert finding.remedy.text
        assert all(finding.units.values()), "a unit is missing"
        compile(finding.remedy.code, "remedy", "exec")
        check_numbers(finding, run)


def check_numbers(finding, run):
    """Every number in the message is a piece of evidence, printed with the digits the message has."""
    text = finding.message
    for name in [p.name for p in run.info.parameters]:
        text = text.replace(name, "")
    known = [v * k for v in finding.evidence.values() for k in (1.0, 100.0, -1.0, -100.0)]
    for found in NUMBER.findall(text):
        value = float(found.rstrip("%"))
        digits = len(found.rstrip("%").partition(".")[2])
        close = [k for k in known if abs(k - value) <= max(0.5 * 10.0**-digits, 6e-3 * abs(value)) + 1e-12]
        assert close, f"{found} of {finding.message!r} is not in {dict(finding.evidence)}"


@EACH
def test_healthy_runs_are_silent(detector):
    for run in runs.healthy_runs():
        findings, _ = examine(detector, run)
        loud = [f for f in findings if f.severity is not Severity.INFO]
        assert not loud, f"{run.id}: {loud[0].message}"


@EACH
@pytest.mark.parametrize("trouble", TROUBLED)
def test_is_deterministic_and_leaves_the_run_alone(detector, trouble):
    run, twin = TROUBLED[trouble](), TROUBLED[trouble]()
    first, second = examine(detector, run), examine(detector, twin)
    assert first == second
    assert examine(detector, run) == first
    for name, series in run.series.items():
        np.testing.assert_array_equal(series.values, twin.series[name].values)


@EACH
@pytest.mark.parametrize("trouble", TROUBLED)
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_scaling_the_loss_changes_no_finding(detector, trouble, factor):
    run = TROUBLED[trouble]()
    run = replace(run, info=replace(run.info, n_classes=0))

    def outline(candidate):
        findings, why = examine(detector, candidate)
        return [(f.code, f.severity, f.first_step, f.last_step, f.parameters) for f in findings], bool(why)

    assert outline(runs.scaled(run, factor)) == outline(run)


@EACH
def test_missing_needs_are_named(detector):
    if detector.needs:
        findings, why = examine(detector, Run("bare", "bare"))
        assert not findings
        assert "was not recorded" in why


def test_an_overfitted_run_cut_after_the_rise_is_found_as_the_whole_one_is():
    whole = diagnose(runs.overfitted_run(), select=["overfitting"]).findings
    part = diagnose(runs.cut(runs.overfitted_run(), 2400), select=["overfitting"]).findings
    assert [f.code for f in whole] == [f.code for f in part] == ["TD401"]
    assert part[0].first_step == pytest.approx(whole[0].first_step, abs=200)


@pytest.mark.parametrize("trouble", ["nan", "diverged", "plateaued", "unlearning", "marginal"])
def test_more_of_the_same_does_not_erase_a_finding(trouble):
    run = TROUBLED[trouble]()
    n = run.n_steps
    loss = run.series["loss/train"].values
    longer = np.concatenate([loss, loss[-n // 5 :]])
    lr = run.series["lr/0"].values
    more = runs.with_series(
        run,
        loss__train=Series(np.arange(longer.size), longer),
        lr__0=Series(np.arange(longer.size), np.concatenate([lr, np.full(longer.size - n, lr[-1])])),
    )
    loud = {f.code for f in diagnose(run).findings if f.severity is not Severity.INFO}
    still = {f.code for f in diagnose(more).findings if f.severity is not Severity.INFO}
    own = {
        "nan": "TD103",
        "diverged": "TD102",
        "plateaued": "TD101",
        "unlearning": "TD107",
        "marginal": "TD108",
    }[trouble]
    assert own in loud
    assert own in still

"""One cause first, its symptoms after it."""

from dataclasses import replace

import pytest

from traindoctor.analyzer.causes import EXPLAINS, SLACK, can_explain, rank_causes
from traindoctor.finding import Finding, Remedy, Severity

N = 1000


def finding(code, first=0, severity=Severity.WARNING):
    return Finding(code, code.lower(), severity, 0.9, first, N - 1, "It is so.", {}, {}, Remedy("Do it."))


def codes(findings):
    return [f.code for f in rank_causes(findings, N)]


def test_a_frozen_model_explains_what_follows_from_it():
    ranked = rank_causes(
        [finding("TD107"), finding("TD302"), finding("TD207", severity=Severity.CRITICAL)], N
    )
    assert [f.code for f in ranked] == ["TD207", "TD302", "TD107"]
    assert ranked[0].explains == ("TD302", "TD107")
    assert ranked[1].explains == ranked[2].explains == ()


def test_a_chain_is_folded_under_its_first_cause():
    found = [
        finding("TD103", 500, Severity.CRITICAL),
        finding("TD102", 450),
        finding("TD301", 6),
        finding("TD104", 300),
    ]
    ranked = rank_causes(found, N)
    assert ranked[0].code == "TD301"
    assert set(ranked[0].explains) == {"TD102", "TD103", "TD104"}


def test_a_cause_that_begins_later_explains_nothing():
    ranked = rank_causes([finding("TD102", 900), finding("TD101", 100)], N)
    assert all(f.explains == () for f in ranked)


@pytest.mark.parametrize(("late", "explains"), [(SLACK * N, True), (SLACK * N + 1, False)])
def test_spans_are_estimates(late, explains):
    assert can_explain(finding("TD401", int(late)), finding("TD407", 0), N) is explains


def test_a_note_explains_no_warning_but_another_note():
    note = finding("TD401", severity=Severity.INFO)
    assert not can_explain(note, finding("TD407"), N)
    assert can_explain(note, finding("TD407", severity=Severity.INFO), N)


def test_groups_come_by_their_most_serious_member():
    ranked = codes(
        [
            finding("TD401", severity=Severity.WARNING),
            finding("TD301", 10),
            finding("TD103", 500, Severity.CRITICAL),
        ]
    )
    assert ranked[0] == "TD301"


def test_unrelated_findings_come_by_severity():
    assert codes(
        [finding("TD106", severity=Severity.INFO), finding("TD209", severity=Severity.CRITICAL)]
    ) == ["TD209", "TD106"]


def test_order_of_the_input_does_not_matter():
    found = [finding("TD107"), finding("TD108"), finding("TD101"), finding("TD302"), finding("TD104", 3)]
    assert codes(found) == codes(found[::-1])


def test_nothing_explains_itself_and_nobody_explains_each_other():
    for cause, symptoms in EXPLAINS.items():
        assert cause not in symptoms
        for symptom in symptoms:
            assert cause not in EXPLAINS.get(symptom, ()), f"{cause} and {symptom} explain each other"


def test_causes_stand_above_what_they_explain():
    order = list(EXPLAINS)
    for cause, symptoms in EXPLAINS.items():
        for symptom in symptoms:
            if symptom in order:
                assert order.index(cause) < order.index(symptom), f"{symptom} stands above its cause {cause}"


def test_a_rate_without_a_symptom_is_a_note():
    alone = rank_causes([finding("TD301", 2), finding("TD303")], N)
    assert [f.severity for f in alone] == [Severity.INFO] * 2
    for symptom in (finding("TD102", 300), finding("TD107", severity=Severity.INFO), finding("TD203", 50)):
        assert rank_causes([finding("TD301", 2), symptom], N)[0].severity is Severity.WARNING
    for other in (finding("TD203", 50, Severity.INFO), finding("TD209"), finding("TD104", 5, Severity.INFO)):
        ranked = {f.code: f.severity for f in rank_causes([finding("TD301", 2), other], N)}
        assert ranked["TD301"] is Severity.INFO


def test_a_rate_that_broke_the_run_needs_no_other_symptom():
    assert rank_causes([finding("TD301", 2, Severity.CRITICAL)], N)[0].severity is Severity.CRITICAL


@pytest.mark.parametrize("cause", ["TD211", "TD110", "TD404", "TD109"])
def test_what_was_wrong_before_the_first_step_comes_before_the_rate(cause):
    ranked = rank_causes([finding("TD301", 1), finding("TD103", 30, Severity.CRITICAL), finding(cause)], N)
    assert ranked[0].code == cause
    assert "TD301" in ranked[0].explains


def with_evidence(found, **evidence):
    named = {name.replace("_", " "): value for name, value in evidence.items()}
    return replace(found, evidence=named, units=dict.fromkeys(named, "fraction"))


def test_a_too_high_rate_is_no_cause_of_a_gap_where_training_was_solved():
    overfitting = finding("TD401", 10)
    solved = with_evidence(finding("TD301"), final_skill=0.99)
    assert codes([solved, overfitting])[0] == "TD401"
    assert rank_causes([solved, overfitting], N)[-1].severity is Severity.INFO
    poor = with_evidence(finding("TD301"), final_skill=0.3)
    assert codes([poor, overfitting]) == ["TD301", "TD401"]


def test_units_that_died_in_a_loss_that_blew_up_need_no_further_symptom():
    lasting = with_evidence(finding("TD301"), dead_units=0.95, loss_rise=600.0)
    assert rank_causes([lasting], N)[0].severity is Severity.WARNING
    died = with_evidence(finding("TD301"), dead_units=0.95)
    assert rank_causes([died], N)[0].severity is Severity.INFO


def test_a_batch_stands_above_what_it_broke_and_an_ordinary_spike_below():
    broken = [finding("TD103", 500, Severity.CRITICAL), finding("TD102", 500), finding("TD202", 499)]
    batch = with_evidence(finding("TD104", 500), times_the_losses_before=1e6)
    assert codes([*broken, batch])[0] == "TD104"
    assert codes([*broken, finding("TD104", 500)])[0] == "TD202"


def test_a_narrow_layer_stands_above_its_dead_units():
    narrow = with_evidence(finding("TD402"), narrowest_hidden_layer=2.0)
    assert codes([finding("TD203"), finding("TD107"), narrow])[0] == "TD402"
    assert codes([finding("TD203"), finding("TD107"), finding("TD402")])[0] == "TD203"

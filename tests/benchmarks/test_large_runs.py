"""The run that the benchmark of long runs diagnoses is a sound one."""

from benchmarks.large_runs import N_PARAMETERS, QUANTITIES, long_run
from traindoctor.analyzer.engine import diagnose
from traindoctor.finding import Severity


def test_the_long_run_is_healthy_and_most_checks_can_answer():
    run = long_run(4000)
    assert len(run.info.parameters) == N_PARAMETERS
    assert all(len(run.parameter(quantity)) == N_PARAMETERS for quantity in QUANTITIES)
    diagnosis = diagnose(run)
    assert [f.message for f in diagnosis.findings if f.severity is not Severity.INFO] == []
    assert len(diagnosis.passed) > 25

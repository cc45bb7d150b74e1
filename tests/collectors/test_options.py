"""Options of the recorder, to and from the environment."""

import pytest

from traindoctor.collectors.options import RecorderOptions
from traindoctor.errors import UsageError


def test_nothing_set_means_the_defaults():
    assert RecorderOptions.from_environment({}) == RecorderOptions()


@pytest.mark.parametrize(
    "options",
    [
        RecorderOptions(),
        RecorderOptions(
            name="a run", every=7, budget=0.1, flush_seconds=0.5, parameters=False, predictions=False
        ),
        RecorderOptions(prediction_bytes=10, snapshot_bytes=20),
    ],
)
def test_there_and_back(options):
    assert RecorderOptions.from_environment(options.to_environment()) == options


@pytest.mark.parametrize(
    "variables",
    [
        {"TRAINDOCTOR_EVERY": "often"},
        {"TRAINDOCTOR_EVERY": "0"},
        {"TRAINDOCTOR_BUDGET": "2"},
        {"TRAINDOCTOR_BUDGET": "0"},
        {"TRAINDOCTOR_BUDGET": "nan"},
        {"TRAINDOCTOR_FLUSH_SECONDS": "soon"},
    ],
)
def test_nonsense_is_refused(variables):
    with pytest.raises(UsageError, match="expected"):
        RecorderOptions.from_environment(variables)

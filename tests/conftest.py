"""What holds for every test: whoever records in this process also stops, or the tests after it would be recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _nothing_goes_on_recording() -> Iterator[None]:
    yield
    if "traindoctor.collectors.recorder" in sys.modules:
        from traindoctor.collectors import recorder

        left = recorder.active()
        recorder.stop({"status": "finished", "exception": ""})
        assert left is None, "this test went on recording the process that runs all tests"
    if "torch.optim.optimizer" in sys.modules:
        from torch.optim import optimizer

        for hooks in (optimizer._global_optimizer_pre_hooks, optimizer._global_optimizer_post_hooks):
            left = dict(hooks)
            hooks.clear()
            assert not left, "this test left a hook on every optimizer"

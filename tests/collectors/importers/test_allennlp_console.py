"""AllenNLP console: missing cells stay missing."""

from __future__ import annotations

from tests.collectors.importers.text_samples import points, run_in

TABLE = """x - INFO - allennlp.training.trainer - Epoch {e}/39
accuracy: 0.5, loss: 9.5 ||: 100%|####| 100/100 [00:10<00:00,  9.1it/s]
x - INFO - y -                 Training |  Validation
x - INFO - y - gpu_0_memory_MB |  9.5   |       N/A
x - INFO - y - loss            |  {t}   |     {v}
"""


def test_tables(tmp_path):
    run = run_in(tmp_path, "".join(TABLE.format(e=e, t=5.0 - e, v=6.0 - e) for e in (0, 1, 2)))
    assert points(run, "loss/train") == {0: 5.0, 1: 4.0, 2: 3.0}
    assert points(run, "loss/validation") == {0: 6.0, 1: 5.0, 2: 4.0}
    assert not any("validation_gpu" in name for name in run.series)

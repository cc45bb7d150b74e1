"""R17, R21: pools, loaders, threads and strange locales: no duplicate, no deadlock, and UTF-8 everywhere."""

import json
import os
import subprocess
import sys

import pytest

from tests.logs import write_small_log
from traindoctor.collectors.importers.native import read_run
from traindoctor.runlog import SUFFIX

SCRIPT = """
import json, multiprocessing as mp, sys, threading
import torch, torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)

def square(number):
    return number * number

def main(method):
    torch.manual_seed(0)
    net = torch.nn.Linear(6, 3)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    data = TensorDataset(torch.randn(20, 6), torch.randint(0, 3, (20,)))
    context = method if method != "threads" else None
    workers = 0 if context is None else 1
    train = DataLoader(data, batch_size=5, num_workers=workers, persistent_workers=bool(workers),
        multiprocessing_context=context)
    losses = []
    def loop():
        for _ in range(2):
            for x, y in train:
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    if context is None:
        thread = threading.Thread(target=loop)
        thread.start()
        thread.join()
    else:
        loop()
        with mp.get_context(method).Pool(1) as pool:
            assert pool.map(square, range(4)) == [0, 1, 4, 9]
    print(json.dumps(losses))

if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "threads"])
def test_r17_workers_and_pools_leave_one_log(method, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "traindoctor", "run", "--out", tmp_path / "runs", "--", script, method]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRAINDOCTOR_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=600)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    (log,) = folder.glob(f"*{SUFFIX}")
    run = read_run(log)
    assert run.series["loss/train"].values.tolist() == json.loads(done.stdout)
    assert run.series["epoch"].values.tolist() == [0.0] * 4 + [1.0] * 4
    assert run.info.status == "finished"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_r21_reports_are_utf8_whatever_the_locale(encoding, tmp_path):
    name = "Lauf — 学習 ∑ é"
    folder = tmp_path / "20260102-030405-abcd"
    folder.mkdir()
    write_small_log(folder / f"a{SUFFIX}", 60, facts={"name": name}, end={"status": "finished"})
    environ = {
        **os.environ, "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": encoding,
    }  # fmt: skip
    for kind in ("html", "md", "json"):
        out = tmp_path / f"report.{kind}"
        command = [sys.executable, "-m", "traindoctor", "report", folder, "--format", kind, "-o", out]
        done = subprocess.run(command, capture_output=True, check=False, env=environ, timeout=600)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        text = out.read_bytes().decode("utf-8")
        assert name in text or json.dumps(name)[1:-1] in text
    shown = subprocess.run(
        [sys.executable, "-m", "traindoctor", "show", folder], capture_output=True, check=False, env=environ
    )
    assert b"Traceback" not in shown.stderr
    assert shown.returncode == 0

"""Ranks and restarts of one torchrun find the same run; separate runs never do."""

from __future__ import annotations

import re
import subprocess
import sys

from traindoctor.collectors.launcher.identity import shared_run_id

AGENT = '''
import os, subprocess, sys
child = """import os, sys
from pathlib import Path
from traindoctor.collectors.launcher.identity import shared_run_id
print(shared_run_id(os.environ, Path(sys.argv[1])))"""
for restart in ("0", "0", "3"):
    environ = {**os.environ, "TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": restart}
    subprocess.run([sys.executable, "-c", child, sys.argv[1]], env=environ, check=True)
'''


def agent(folder) -> list[str]:
    command = [sys.executable, "-c", AGENT, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_all_ranks_and_restarts_of_one_agent_agree_and_agents_differ(tmp_path):
    first, second = agent(tmp_path), agent(tmp_path)
    assert len(set(first)) == 1
    assert len(set(second)) == 1
    assert first[0] != second[0]
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", first[0])


def test_a_restart_stays_in_its_folder_when_the_clock_was_set(tmp_path):
    environ = {"TORCHELASTIC_RUN_ID": "none"}
    made = shared_run_id(environ, tmp_path)
    earlier = f"20200101-000000-{made[-4:]}"
    (tmp_path / earlier).mkdir()
    assert shared_run_id(environ | {"TORCHELASTIC_RESTART_COUNT": "1"}, tmp_path) == earlier
    assert shared_run_id(environ, tmp_path) == made


def test_several_machines_agree_by_what_torchrun_tells_them_all(tmp_path):
    environ = {"TORCHELASTIC_RUN_ID": "job", "GROUP_WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    made = shared_run_id(environ, tmp_path)
    assert made == shared_run_id({**environ, "GROUP_RANK": "1", "RANK": "5"}, tmp_path)
    assert made != shared_run_id({**environ, "MASTER_PORT": "2"}, tmp_path)


def test_outside_torchrun_every_run_is_new(tmp_path):
    assert shared_run_id({}, tmp_path) != shared_run_id({}, tmp_path)

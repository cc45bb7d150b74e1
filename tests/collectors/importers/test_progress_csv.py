"""Progress tables: environment steps, rewards, updates without training, diffusion, monitors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collectors.importers.readings import points, run

FILE = "progress.csv"


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        (
            "train/loss,time/total_timesteps,rollout/ep_rew_mean\n,100,1.5\n0.3,200,2.5\n",
            "rollout/ep_rew_mean",
        ),
        (
            "Progress,time/total timesteps,rollout/ep_rew_mean\n10%,100,1.5\n20%,200,2.5\n",
            "rollout/ep_rew_mean",
        ),
        ("EpRewMean,EpLenMean,EpisodesSoFar,TimestepsSoFar\n1.5,3,4,100\n2.5,3,5,200\n", "EpRewMean"),
        (
            "Epoch\tAverageEpRet\tTotalEnvInteracts\tLossPi\n0\t1.5\t100\t.1\n1\t2.5\t200\t.1\n",
            "AverageEpRet",
        ),
    ],
    ids=["stable-baselines 3", "stable-baselines 2", "baselines", "spinning up"],
)
def test_rewards_over_environment_steps(tmp_path: Path, text: str, reward: str) -> None:
    found = run(tmp_path, text, FILE)
    assert found.info.x_unit == "environment steps"
    assert found.info.loss_role == "rl"
    assert points(found, "reward/train") == [(100, 1.5), (200, 2.5)]
    assert found.info.series["reward/train"].source_name == reward


def test_rows_before_training_have_no_loss(tmp_path: Path) -> None:
    text = "train/loss,time/total_timesteps,rollout/ep_rew_mean\n,100,1.5\n0.3,200,2.5\n"
    assert points(run(tmp_path, text, FILE), "loss/train") == [(200, 0.3)]


def test_diffusion_is_progress(tmp_path: Path) -> None:
    text = "grad_norm,loss,loss_q0,loss_q3,samples,step\n8,1.0,2.0,0.1,256,0\n7,0.9,1.8,0.1,2816,10\n"
    found = run(tmp_path, text, FILE)
    assert (found.info.loss_role, found.info.x_unit) == ("progress", "optimizer steps")
    assert points(found, "loss/train") == [(0, 1.0), (10, 0.9)]


def test_a_monitor_counts_the_lengths(tmp_path: Path) -> None:
    found = run(
        tmp_path, '#{"t_start": 1.0, "env_id": "x"}\nr,l,t\n10.0,20,0.1\n12.0,30,0.3\n', "0.monitor.csv"
    )
    assert points(found, "reward/train") == [(20, 10.0), (50, 12.0)]
    assert found.info.loss_role == "rl"

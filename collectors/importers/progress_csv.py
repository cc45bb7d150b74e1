"""`progress.csv` of reinforcement learning (Stable-Baselines, baselines, RLlib) and guided-diffusion."""

from __future__ import annotations

from collections.abc import Mapping

from traindoctor.errors import UnreadableLogError

from ..intake.axes import plain_name, position
from ..intake.counted_rows import head_layout
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import numbers_of
from ..intake.source import Source
from ..intake.tables import Layout, rows

ENVIRONMENT = "environment steps"
AXES: tuple[tuple[str, str], ...] = (
    ("time_total_timesteps", ENVIRONMENT),
    ("misc_total_timesteps", ENVIRONMENT),
    ("total_timesteps", ENVIRONMENT),
    ("timesteps_total", ENVIRONMENT),
    ("num_env_steps_sampled", ENVIRONMENT),
    ("timestepssofar", ENVIRONMENT),
    ("totalenvinteracts", ENVIRONMENT),
    ("totalenvsteps", ENVIRONMENT),
    ("total_env_steps", ENVIRONMENT),
    ("serial_timesteps", ENVIRONMENT),
    ("misc_nupdates", "optimizer steps"),
    ("nupdates", "optimizer steps"),
    ("step", "optimizer steps"),
    ("training_iteration", "iterations"),
    ("iteration", "iterations"),
    ("itr", "iterations"),
    ("epoch", "epochs"),
)
"""Column in plain words -> what it counts, the best first."""

REWARDS = (
    "rollout_ep_rew_mean", "eval_mean_reward", "eprewmean", "episode_reward_mean", "averagereturn",
    "ep_reward_mean", "ep_rew_mean", "averageepret", "mean_100_episode_reward", "evaluation_averagereturn",
    "mean_reward", "env_runners_episode_return_mean", "rollout_return", "epret_mean", "return_average",
    "eplenmean", "success_rate", "rollout_success_rate",
)  # fmt: skip
_RL = frozenset((
    *REWARDS, "explained_variance", "train_explained_variance", "policy_entropy", "train_entropy_loss",
    "train_policy_gradient_loss", "train_actor_loss", "rollout_ep_len_mean", "episodes", "losspi",
    "approxkl", "train_approx_kl", "misc_explained_variance", "loss_policy_entropy", "time_fps",
))  # fmt: skip
_DIFFUSION = frozenset(("loss_q0", "loss_q1", "loss_q2", "loss_q3", "mse_q0", "vb_q0", "mse", "vb"))
_STEPS_OF = "timesteps"


class ProgressCsv:
    """The tables that OpenAI's logger and its descendants write; columns stand in any order."""

    slug = "progress-csv"
    name = "Stable-Baselines progress.csv"

    def recognises(self, source: Source) -> float:
        """By columns of rewards and environment steps, by quartile losses, or by a monitor's `#{`."""
        if source.head_text().startswith('#{"'):
            return CERTAIN if _is_monitor(head_layout(source)) else 0.0
        layout = head_layout(source, ",\t")
        if layout is None:
            return 0.0
        names = {plain_name(name) for name in layout.header}
        if not _axis(layout)[0]:
            return 0.0
        if len(names & _RL) > 1 or names & set(REWARDS[:7]):
            return CERTAIN
        return CERTAIN if len(names & _DIFFUSION) > 1 and "loss" in names else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is what counts the environment's steps, else updates or iterations."""
        layout = head_layout(source, ",\t")
        if layout is None:
            raise UnreadableLogError(f"expected a table of progress in {source.name}, found something else")
        if _is_monitor(layout):
            _read_monitor(source, log, layout)
            return
        column, log.x_unit = _axis(layout)
        last = 0.0
        for line, row in rows(source, log, layout):
            x = position(row.get(column))
            values = numbers_of({name: cell for name, cell in row.items() if name != column})
            if x is None:
                log.note(f"rows without `{column}` were put at the x of the row before", line=line)
                x = last
            last = x
            if values:
                log.row(x, values)
        _declare(log, layout)


def _axis(layout: Layout) -> tuple[str, str]:
    plain = {plain_name(name): name for name in reversed(layout.header)}
    if _DIFFUSION & plain.keys() and "step" in plain:
        return plain["step"], "optimizer steps"
    return next(((plain[name], unit) for name, unit in AXES if name in plain), ("", ""))


def _declare(log: Logbook, layout: Layout) -> None:
    plain = {plain_name(name): name for name in layout.header}
    if not _RL.intersection(plain):
        _declare_diffusion(log, plain)
        return
    log.fact(loss_role="rl")
    for rank, reward in enumerate(name for name in REWARDS if name in plain):
        split = "validation" if reward.startswith("eval") else "train"
        kind = "success_rate" if "success" in reward else "reward"
        if "len" not in reward:
            meaning = Meaning(f"{kind}/{split}", split, "higher", note="mean over episodes", rank=rank)
            log.declare(plain[reward], meaning)


def _declare_diffusion(log: Logbook, plain: Mapping[str, str]) -> None:
    if not _DIFFUSION.intersection(plain):
        return
    note = "quartile of the diffusion time steps"
    for name, column in plain.items():
        if name[-3:] in ("_q0", "_q1", "_q2", "_q3"):
            log.declare(column, Meaning(f"{name[:-3]}_loss_{name[-2:]}/train", "train", "lower", note=note))
    log.declare(plain.get("loss", "loss"), Meaning("loss/train", "train", "lower"))
    log.declare(
        plain.get("grad_norm", "grad_norm"),
        Meaning("grad_norm/global", "train", note="not clipped by guided-diffusion itself"),
    )


def _is_monitor(layout: Layout | None) -> bool:
    return layout is not None and set(layout.header[:3]) == {"r", "l", "t"}


def _read_monitor(source: Source, log: Logbook, layout: Layout) -> None:
    """A monitor's file: return, length and time of each episode."""
    log.x_unit = ENVIRONMENT
    steps = 0.0
    for line, row in rows(source, log, layout):
        values = numbers_of(row)
        length = values.get("l")
        if length is None:
            log.note("episodes without a length were left out", line=line)
            continue
        steps += length
        log.row(steps, values)
    log.declare("r", Meaning("reward/train", "train", "higher", note="return of one episode"))
    log.declare("l", Meaning("episode_length/train", "train", note="steps of one episode"))
    log.declare("t", Meaning(unit="s", note="since the start"))
    log.fact(loss_role="rl")

"""Score sheets: each group's reward applied to every reply of a pool.

What a group may report is in ``tuneaccord.llm.reports``. A reward is called with a few hundred replies at a time, and
what each call gave is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tuneaccord.artifacts import Store, digest_of
from tuneaccord.errors import InputError, RewardError, nearest
from tuneaccord.execution import heard
from tuneaccord.llm.criteria import CRITERIA
from tuneaccord.llm.pool import Pool, write_parquet
from tuneaccord.llm.reports.functions import read_function
from tuneaccord.llm.reports.reward import BATCH, SECONDS, Form, Function, GroupReward
from tuneaccord.progress import Progress

__all__ = ["Function", "GroupReward", "ScoreSheet", "resolve", "score_pool"]


def resolve(
    name: str,
    size: float,
    reward: str | Form,
    folder: Path,
    scale: tuple[float, float] | None = None,
    seconds: float = SECONDS,
) -> GroupReward:
    """The reward that a configuration names; files are relative to ``folder``.

    ``reward`` is a criterion's name, a function ``file.py:function`` or ``package.module:function``, or one of the
    forms of ``tuneaccord.llm.reports``. A function takes the prompts and the replies as two lists of texts and returns
    one number for each reply. No call of it may take longer than ``seconds``.

    Raises :class:`InputError` when there is no such criterion, file, function or model.
    """
    if isinstance(reward, Form):
        return reward.read(name, size, folder, scale, seconds)
    if reward in CRITERIA:
        criterion = CRITERIA[reward]
        if scale not in (None, criterion.scale):
            raise InputError(
                f"group {name!r}: the criterion {reward!r} has the scale {list(criterion.scale)}; leave it out."
            )
        identity = criterion.digest_data()
        return GroupReward(
            name, size, reward, criterion.description, criterion.scale, criterion.score, identity, seconds
        )
    if ":" not in reward:
        raise InputError(
            f"group {name!r}: there is no criterion {reward!r}. {nearest(reward, CRITERIA)} "
            "A function of your own is written file.py:function."
        )
    return read_function(name, size, reward, folder, scale, seconds)


@dataclass(frozen=True)
class ScoreSheet:
    """All groups' scores of one pool: an array (prompts, replies, groups), groups in the order of the file."""

    pool: Pool
    groups: tuple[GroupReward, ...]
    scores: np.ndarray

    def digest(self, group: int) -> str:
        """The fingerprint of one group's sheet: the pool and the scores."""
        return digest_of({"pool": self.pool.digest, "scores": self.scores[:, :, group].tolist()})

    def write(self, path: Path) -> None:
        """Parquet with the columns of a score sheet: ``group, prompt_id, reply_id, score``."""
        import pyarrow as pa

        prompts, replies, groups = self.scores.shape
        cells = [(g, i, k) for g in range(groups) for i in range(prompts) for k in range(replies)]
        table = pa.table(
            {
                "group": [self.groups[g].name for g, _, _ in cells],
                "prompt_id": [self.pool.prompts[i].id for _, i, _ in cells],
                "reply_id": [str(k) for _, _, k in cells],
                "score": [float(self.scores[i, k, g]) for g, i, k in cells],
            }
        )
        write_parquet(path, table, {"pool": self.pool.digest})


def score_pool(pool: Pool, groups: tuple[GroupReward, ...], store: Store, progress: Progress, label: str) -> ScoreSheet:
    """Score every reply with every group's reward; what was scored before is read back.

    Raises :class:`RewardError`, naming the group, when a reward fails or does not give the same score twice, and for
    a group that filled in a sheet of other pools.
    """
    calls = -(-len(pool.prompts) * pool.shape[1] // BATCH)
    with progress.task(label, calls * len(groups)) as advance:
        columns = []
        for group in groups:
            if group.sheets is None:
                columns.append(_score_in_batches(pool, group, store, progress, advance).reshape(pool.shape))
            else:
                columns.append(_filled_in(pool, group))
                for _ in range(calls):
                    advance()
    return ScoreSheet(pool, groups, np.stack(columns, axis=-1))


def _filled_in(pool: Pool, group: GroupReward) -> np.ndarray:
    if pool.digest not in group.sheets:
        group.score([], [])  # says that it cannot
    return group.sheets[pool.digest]


def _score_in_batches(pool: Pool, group: GroupReward, store: Store, progress: Progress, advance) -> np.ndarray:
    """All scores of one group, in the order of ``pool.flat()``."""
    prompts, replies = pool.flat()
    made = {"pool": pool.digest, "reward": group.identity, "scale": group.scale}
    if group.fit is not None:
        made["fit"] = group.fit.digest
    scores, read_back = [], False
    for start in range(0, len(replies), BATCH):
        rows = slice(start, min(start + BATCH, len(replies)))
        inputs = {**made, "replies": [rows.start, rows.stop]}
        read_back |= store.path("score", inputs, ".json").exists()
        compute = partial(_scores_of, group, prompts[rows], replies[rows], progress)
        scores += store.json("score", inputs, compute)
        advance()
    sheet = np.array(scores)
    if read_back or len(replies) > BATCH:
        _check_repeatable(group, prompts, replies, sheet, store if read_back else None)
    return sheet


def _scores_of(group: GroupReward, prompts: list[str], replies: list[str], progress: Progress) -> list[float]:
    scores, remarks = heard(partial(group.score, prompts), replies)
    for remark in remarks:
        progress.note(f"group {group.name}: {remark}")
    return scores.tolist()


def _check_repeatable(
    group: GroupReward, prompts: list[str], replies: list[str], sheet: np.ndarray, store: Store | None
) -> None:
    """Score a few replies again, in other company: a reply's score is its own, and what is stored is still so."""
    rows = np.linspace(0, len(replies) - 1, min(8, len(replies))).astype(int)[::-1]
    again = group.score([prompts[row] for row in rows], [replies[row] for row in rows])
    # a neural reward rounds differently in another batch, in bfloat16 by a few thousandths
    slack = 5e-3 * (group.scale[1] - group.scale[0])
    if len(sheet) == len(replies) and np.allclose(again, sheet[rows], rtol=0, atol=slack):
        return
    called = f"the reward of group {group.name!r} ({group.reward})"
    if store is None:
        raise RewardError(
            f"{called} gives other scores to the same replies when they are asked in another batch. It must be a pure "
            "function of one prompt and one reply."
        )
    raise RewardError(
        f"{called} no longer gives the scores that are stored. If something it reads has changed, remove "
        f"{store.folder}/score-*.json and run again. Otherwise it is not a pure function."
    )

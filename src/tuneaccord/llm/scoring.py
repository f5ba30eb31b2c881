"""Score sheets: each group's reward model applied to every reply of a pool.

A reward is a built-in criterion by name, or a Python function of the user's, ``file.py:function`` or
``package.module:function``, that takes the prompts and the replies as two lists of texts and returns one
number for each reply. Its scale is published in the configuration; a score outside it is refused, because
the scale is part of the deal: nobody may shout louder by using larger numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from tuneaccord.artifacts import Store, digest_of
from tuneaccord.errors import InputError, RewardError, nearest
from tuneaccord.llm.criteria import CRITERIA
from tuneaccord.llm.pool import Pool, write_parquet
from tuneaccord.progress import Progress

#: of each package module that was read here, the digest of its source then
_digests: dict[str, str] = {}

Function = Callable[[Sequence[str], Sequence[str]], Sequence[float]]


@dataclass(frozen=True)
class GroupReward:
    """A group with its size and its reward model, ready to score replies."""

    name: str
    size: float
    reward: str
    description: str
    scale: tuple[float, float]
    function: Function
    identity: dict

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> np.ndarray:
        """One finite number on the group's scale for each reply.

        Raises :class:`RewardError`, naming the group, when the reward model raises or returns anything else.
        """
        try:
            with contextlib.redirect_stdout(sys.stderr):  # what a reward prints must not mix with a command's JSON
                given = self.function(list(prompts), list(replies))
        except (Exception, SystemExit) as error:
            raise RewardError(
                f"the reward of group {self.name!r} ({self.reward}) raised {type(error).__name__}: {error}"
            ) from error
        scores = _numbers(given)
        if scores is None or scores.shape != (len(replies),):
            raise RewardError(
                f"the reward of group {self.name!r} ({self.reward}) must return one number for each of "
                f"{len(replies)} replies, got {given!r:.80}."
            )
        low, high = self.scale
        bad = ~((scores >= low) & (scores <= high))
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise RewardError(
                f"the reward of group {self.name!r} ({self.reward}) gave {scores[first]} to the reply "
                f"{replies[first]!r:.60}, outside its scale [{low:g}, {high:g}]. Return finite numbers on that scale, "
                "or publish another one under the group's 'scale'."
            )
        return scores


def _numbers(given: object) -> np.ndarray | None:
    """What a reward model returned as numbers; texts that look like numbers are none."""
    try:
        numbers = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):  # ragged lists, tensors that want a gradient
        return None
    return numbers.astype(float) if numbers.dtype.kind in "biuf" else None


def resolve(name: str, size: float, reward: str, folder: Path, scale: tuple[float, float] | None = None) -> GroupReward:
    """The reward model that a configuration names; files are relative to ``folder``.

    Raises :class:`InputError` when there is no such criterion, file or function.
    """
    if reward in CRITERIA:
        criterion = CRITERIA[reward]
        if scale not in (None, criterion.scale):
            raise InputError(
                f"group {name!r}: the criterion {reward!r} has the scale {list(criterion.scale)}; leave it out."
            )
        identity = criterion.digest_data()
        return GroupReward(name, size, reward, criterion.description, criterion.scale, criterion.score, identity)
    if ":" not in reward:
        raise InputError(
            f"group {name!r}: there is no criterion {reward!r}. {nearest(reward, CRITERIA)} "
            "A function of your own is written file.py:function."
        )
    place, _, attribute = reward.rpartition(":")
    if place.endswith(".py"):
        module, sources = _module_from_file(name, place, folder)
        reward = f"{Path(place).name}:{attribute}"  # results must not depend on where files are
    else:
        module, sources = _module(name, place)
    function = _function(name, module, place, attribute)
    description = [*(function.__doc__ or "").strip().splitlines(), f"the function {reward}"][0]
    identity = {"function": reward, **sources}
    return GroupReward(name, size, reward, description, scale or (0.0, 1.0), function, identity)


def _function(group: str, module: ModuleType, place: str, attribute: str) -> Function:
    function = getattr(module, attribute, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise InputError(f"group {group!r}: {place} has no function {attribute!r}. {nearest(attribute, names)}")
    return function


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextlib.contextmanager
def _importing(group: str, place: object) -> Iterator[None]:
    """What a module prints must not mix with a command's JSON, and what it raises names the group."""
    importlib.invalidate_caches()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except InputError:  # there is no such module
        raise
    except (Exception, SystemExit) as error:
        raise RewardError(f"group {group!r}: {place} cannot be imported: {type(error).__name__}: {error}") from error


def _module_from_file(group: str, place: str, folder: Path) -> tuple[ModuleType, dict]:
    """The module in a file of the user's, with digests of its source and of the files beside it that it imports."""
    file = (folder / Path(place).expanduser()).resolve()
    if not file.is_file():
        raise InputError(f"group {group!r}: the reward file {file} does not exist.")
    name = f"tuneaccord_reward_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    source = file.read_bytes()
    sys.modules[name] = module
    with _importing(group, file), _beside(file.parent) as helpers:
        exec(spec.loader.source_to_code(source, file), vars(module))  # the bytes that are hashed, not a stale .pyc
    digests = {"source": hashlib.sha256(source).hexdigest()}
    return module, {**digests, "helpers": helpers} if helpers else digests


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[dict[str, str]]:
    """Modules in ``folder`` can be imported in the block, as those beside a script can; fills in their digests.

    They are forgotten afterwards, so that the next file finds its own and not those of another folder.
    """
    known, digests = set(sys.modules), {}
    sys.path.insert(0, str(folder))
    try:
        yield digests
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
        for name in sorted(set(sys.modules) - known):
            top = name.partition(".")[0]
            places = [*getattr(sys.modules.get(top), "__path__", []), getattr(sys.modules.get(top), "__file__", None)]
            if top not in known and any(place and Path(place).parent == folder for place in places):
                source = getattr(sys.modules[name], "__file__", None)
                digests[name] = _sha256(Path(source)) if source else "a folder"
        for name in digests:
            del sys.modules[name]


def _module(group: str, place: str) -> tuple[ModuleType, dict]:
    """The module of a package, read again if it was imported before: what runs is the source that is hashed."""
    with _importing(group, repr(place)):
        known = place in sys.modules
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise InputError(f"group {group!r}: the module {place!r} cannot be imported: {error}.") from error
        file = getattr(module, "__file__", None)
        if not file or module.__spec__ is None:  # built in, or a program that is running
            return module, {"source": _sha256(Path(file)) if file else "built in"}
        digest = _sha256(Path(file))
        if known and _digests.get(place) != digest:
            module = importlib.reload(module)
        _digests[place] = digest
    return module, {"source": digest}


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
    """Score every reply with every group's reward model; sheets that exist are read back."""
    prompts, replies = pool.flat()
    columns = []
    with progress.task(label, len(groups)) as advance:
        for group in groups:
            inputs = {"pool": pool.digest, "reward": group.identity, "scale": group.scale}
            known = store.path("score", inputs, ".json")
            was_known = known.exists()
            sheet = np.array(store.json("score", inputs, lambda group=group: group.score(prompts, replies).tolist()))
            if was_known:
                _check_unchanged(group, prompts, replies, sheet, known)
            columns.append(sheet.reshape(pool.shape))
            advance()
    return ScoreSheet(pool, groups, np.stack(columns, axis=-1))


def _check_unchanged(
    group: GroupReward, prompts: list[str], replies: list[str], stored: np.ndarray, known: Path
) -> None:
    """Score a few replies again before a stored sheet is used: what a reward reads may have changed since."""
    rows = np.linspace(0, len(replies) - 1, min(8, len(replies))).astype(int)[::-1]
    again = group.score([prompts[row] for row in rows], [replies[row] for row in rows])
    # a neural reward rounds differently in another batch, in bfloat16 by a few thousandths
    slack = 5e-3 * (group.scale[1] - group.scale[0])
    if len(stored) != len(replies) or not np.allclose(again, stored[rows], rtol=0, atol=slack):
        raise RewardError(
            f"the reward of group {group.name!r} ({group.reward}) no longer gives the scores that are stored. If "
            f"something it reads has changed, remove {known} and run again. Otherwise it is not a pure function."
        )

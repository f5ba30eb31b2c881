"""Work on what others send, in a child process of bounded memory and time: Parquet files, fits to preference pairs.

A few bytes of a Parquet file can stand for gigabytes, and a fit can keep a processor busy for a minute. Both run here,
where neither can harm the server: ``python -m tuneaccord.service.foreign`` reads one task as JSON from its standard
input and writes the result, or a refusal in one sentence, to its standard output. At most two run at the same time.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from tuneaccord.artifacts import digest_of
from tuneaccord.errors import TuneaccordError, first_line
from tuneaccord.service.errors import Invalid, TooLarge, Unavailable

MEMORY = 3_000_000_000  #: bytes of address space
SECONDS = 120
TOGETHER = 2
MOST_COLUMNS = 50
_free = BoundedSemaphore(TOGETHER)
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_IO_THREADS")}


def in_a_child(task: str, seconds: int = SECONDS, **given: Any) -> Any:
    """The result of a task in a child process.

    Raises :class:`Invalid` with what the task says, :class:`TooLarge` when it needs more memory or time than it may,
    :class:`Unavailable` when too many are waiting.
    """
    if not _free.acquire(timeout=seconds):
        raise Unavailable("the server is busy with other uploads. Try again in a minute.")
    try:
        run = subprocess.run(
            [sys.executable, "-P", "-m", "tuneaccord.service.foreign"],
            input=json.dumps({"task": task, **given}).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            env={**os.environ, **_ONE_THREAD, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )
        answer = json.loads(run.stdout)
    except (subprocess.TimeoutExpired, ValueError):  # a child that was stopped has answered nothing, or half of it
        raise TooLarge(f"this needs more memory or time than the server gives one upload ({seconds} s).") from None
    finally:
        _free.release()
    if "refused" in answer:
        raise (TooLarge if answer.get("large") else Invalid)(answer["refused"])
    return answer["result"]


# The child's part


def unpacked_parquet(source: str, target: str, most: int, most_rows: int) -> dict[str, int]:
    """Write the rows of a Parquet file as CSV, at most ``most`` characters and ``most_rows`` rows of it."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise Invalid("this server cannot read Parquet. Send the file as CSV.") from None
    try:
        with open(source, "rb") as file, open(target, "w", newline="", encoding="utf-8") as out:
            table = parquet.ParquetFile(file)
            names = table.schema_arrow.names
            if len(names) > MOST_COLUMNS:
                raise TooLarge(f"the file has {len(names)} columns; at most {MOST_COLUMNS} are taken.")
            if table.metadata.num_rows > most_rows:
                raise TooLarge(f"the file has {table.metadata.num_rows:,} rows; at most {most_rows:,} are taken here.")
            writer = csv.writer(out)
            writer.writerow(names)
            left = most
            for batch in table.iter_batches(batch_size=256, use_threads=False):
                for row in batch.to_pylist():
                    texts = ["" if row[name] is None else str(row[name]) for name in names]
                    left -= sum(map(len, texts))
                    if left < 0:
                        raise TooLarge(f"unpacked, the file has more than {most:,} characters.")
                    writer.writerow(texts)
            return {"rows": table.metadata.num_rows}
    except (arrow.ArrowException, OSError, UnicodeError, KeyError, ValueError) as error:
        if isinstance(error, TuneaccordError):
            raise
        raise Invalid(f"this is not a Parquet file that can be read: {first_line(error)[:200]}") from None


@dataclass(frozen=True)
class _Prompt:
    text: str


@dataclass(frozen=True)
class Texts:
    """A session's pool as the fits of reports know pools."""

    questions: list[str]
    replies: list[list[str]]

    @property
    def prompts(self) -> list[_Prompt]:
        """Each prompt."""
        return [_Prompt(text) for text in self.questions]

    @property
    def shape(self) -> tuple[int, int]:
        """(prompts, replies)."""
        return len(self.questions), len(self.replies[0])

    @property
    def digest(self) -> str:
        """What identifies the texts."""
        return digest_of([self.questions, self.replies])

    def flat(self) -> tuple[list[str], list[str]]:
        """The prompt of each reply, and each reply."""
        prompts = [text for text in self.questions for _ in range(self.shape[1])]
        return prompts, [reply for row in self.replies for reply in row]


def fitted_to_pairs(
    path: str, prompts: list[str], replies: list[list[str]], scale: list[float], most: int
) -> dict[str, Any]:
    """A reward fitted to preference pairs, as one score for each reply of the pool."""
    from tuneaccord.llm.reports.preferences import Preferences

    pool = Texts(prompts, replies)
    group = Preferences(Path(path)).read("you", 1.0, Path(path).parent, (scale[0], scale[1]), 60.0)
    pairs = len(group.pending.pairs)
    if pairs > most:
        raise TooLarge(f"there are {pairs:,} pairs; at most {most:,} are taken.")
    fitted = group.on(pool, Texts([], [[]]))
    how = f"fitted to {pairs} preference pairs; the largest error is about {fitted.fit.epsilon:.2g}"
    return {"scores": _table(fitted.function(*pool.flat()), pool), "how": how, "error": fitted.fit.to_dict()}


def mixed_criteria(
    weights: dict[str, float], prompts: list[str], replies: list[list[str]], scale: list[float]
) -> dict[str, Any]:
    """A mix of published criteria, as one score for each reply of the pool on the agreed scale."""
    from tuneaccord.llm.reports.mixes import Mix

    pool = Texts(prompts, replies)
    group = Mix(tuple(weights.items())).read("you", 1.0, Path("."), None, 60.0)
    low, high = scale
    scores = [min(high, max(low, low + (high - low) * score)) for score in group.function(*pool.flat())]
    return {"scores": _table(scores, pool), "how": group.reward}


def read_market(path: str) -> dict[str, Any]:
    """The rule, the money and the space of a market file; what its groups report is left out, and no file is opened."""
    from tuneaccord.config.loading import load_yaml
    from tuneaccord.config.market import MarketSection
    from tuneaccord.specs import to_data

    market = load_yaml(path, MarketSection)
    terms: dict[str, Any] = {"rule": to_data(market.rule), "payment": to_data(market.payment)}
    terms["money"] = market.money.model_dump()
    if market.divergence is not None:
        terms["divergence"] = to_data(market.divergence)
    if market.candidates is not None:
        candidates = [{"name": one.name, "price": one.price} for one in market.candidates]
        return {"terms": terms, "pool": {"kind": "candidates", "candidates": candidates}}
    base = market.base if market.base is None or isinstance(market.base[0], list) else [market.base]
    if base is None:
        return {"terms": terms, "pool": None}
    pool: dict[str, Any] = {
        "prompts": [{"id": f"{row}"} for row in range(1, len(base) + 1)],
        "responses": [[{"id": f"{place}"} for place in range(1, len(row) + 1)] for row in base],
        "base": base,
    }
    return {"terms": terms, "pool": {**pool, **({"prompt_weights": w} if (w := market.prompt_weights) else {})}}


def _table(flat: list[float], pool: Texts) -> list[list[float]]:
    width = pool.shape[1]
    return [[float(score) for score in flat[start : start + width]] for start in range(0, len(flat), width)]


_TASKS: dict[str, Callable[..., Any]] = {
    "parquet": unpacked_parquet,
    "pairs": fitted_to_pairs,
    "criteria": mixed_criteria,
    "market": read_market,
}


def _bound() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Do the one task on the standard input."""
    _bound()
    given = json.load(sys.stdin)
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not mix with the answer
    try:
        answer = {"result": _TASKS[given.pop("task")](**given)}
    except MemoryError:
        answer = {"refused": "this needs more memory than the server gives one upload.", "large": True}
    except TuneaccordError as error:
        answer = {"refused": str(error).replace("group 'you': ", ""), "large": isinstance(error, TooLarge)}
    json.dump(answer, answers)
    answers.flush()


if __name__ == "__main__":
    main()

"""The ways that learn by reinforcement: their payments against loops and against the mechanism's own functions."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_market import process, write_market

from tuneaccord.errors import InputError
from tuneaccord.mechanism.payments.checkpoints import early_stopped_payments, intermediate_payments
from tuneaccord.tuning.comparison import Row
from tuneaccord.tuning.ways.rl import early_stopped

SIZES, STRENGTH = np.array([3.0, 2.0, 1.5]), 0.3
WAYS = ("rl", "checkpoints", "early-stopped")
#: small enough for a test: two checkpoints, runs without a group that stop after one step
LEARNING = {"steps": 2, "prompts_per_step": 2, "replies": 4, "learning_rate": 0.05, "checkpoints": 2, "stop_at": 0.5}


def rows(seed: int, count: int) -> list[Row]:
    draws = np.random.default_rng(seed)
    return [Row(f"m{n}", draws.random((6, 3)), draws.random(6) * (n > 0), 8) for n in range(count)]


def means(row: Row) -> tuple[np.ndarray, float]:
    return row.values.mean(axis=0), STRENGTH * float(row.kl.mean())


@pytest.mark.parametrize("seed", range(6))
def test_early_stopped_payments_are_those_of_the_mechanism(seed):
    base, last, *others = rows(seed, 5)
    payments, chosen = early_stopped([base, last], others, SIZES, STRENGTH, seed=1)
    values, price = means((base, last)[chosen])
    net = [float(SIZES @ v - p) for v, p in map(means, (base, last))]
    assert net[chosen] == max(net)
    runs = [means(other) for other in others]
    expected = early_stopped_payments(
        values, price, [[v] for v, _ in runs], [[p] for _, p in runs], SIZES,
        public_values=[means(base)[0]], public_prices=[0.0],
    )  # fmt: skip
    assert [paid.estimate for paid in payments] == pytest.approx(expected.tolist(), abs=1e-12)
    assert all(paid.low <= paid.estimate <= paid.high for paid in payments)


def test_their_intervals_cover_what_other_prompts_would_have_given():
    """Markets drawn again: the interval of one holds the payment of a thousand prompts nearly always."""

    def drawn(prompts: int, seed: int):
        noise = np.random.default_rng(seed)
        centre = np.random.default_rng(9).random((5, 3))
        price = np.array([0.0, 0.4, 0.3, 0.5, 0.2])
        return [
            Row(str(n), centre[n] + 0.2 * noise.normal(size=(prompts, 3)), np.full(prompts, price[n]), 8)
            for n in range(5)
        ]

    def paid(prompts: int, seed: int):
        base, last, *others = drawn(prompts, seed)
        return early_stopped([base, last], others, SIZES, STRENGTH, seed=2, draws=200)[0]

    truth = [one.estimate for one in paid(20000, 0)]
    covered = [[not one.excludes(t) for one, t in zip(paid(24, 1 + seed), truth, strict=True)] for seed in range(40)]
    assert np.mean(covered) > 0.85  # 120 intervals of 95%, percentile intervals on 24 prompts are somewhat short


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), tiny_model, rl=LEARNING)


@pytest.fixture(scope="module")
def comparison(market, tmp_path_factory):
    from tuneaccord.tuning.compare import compare_ways

    return compare_ways(market, WAYS, tmp_path_factory.mktemp("out") / "out", workers=1)


@pytest.fixture(scope="module")
def results(comparison) -> dict:
    return {result.name: result for result in comparison.results}


@pytest.mark.slow
def test_checkpoints_are_charged_as_by_the_first_heuristic(results):
    result = results["checkpoints"]
    assert [row.name for row in result.table.rows] == ["base", "step 1", "step 2"]
    net = {row.name: float(SIZES @ means(row)[0] - means(row)[1]) for row in result.table.rows}
    assert result.row.name == max(net, key=net.get) == result.settlement.model
    table = [means(row) for row in result.table.rows]
    expected = intermediate_payments(*means(result.row), [v for v, _ in table], [p for _, p in table], SIZES)
    assert [paid.estimate for paid in result.payments.values()] == pytest.approx(expected.tolist(), abs=1e-12)
    promises = {promise.name: promise.status for promise in result.guarantees}
    assert promises == {"truthful": "not claimed", "never negative": "exact", "nobody worse off": "exact"}


@pytest.mark.slow
def test_the_ways_share_one_run_and_none_may_be_charged(results):
    delivered = results["rl"].delivered.digest
    assert results["rl"].row.name == "rl"
    assert results["checkpoints"].about["reward"] == results["rl"].about["reward"]
    if results["early-stopped"].delivered is not None:
        assert results["early-stopped"].delivered.digest == delivered
    assert results["early-stopped"].about["stopped_at"] == 1
    assert results["early-stopped"].about["trainings"] == 4
    for result in results.values():
        assert not result.chargeable
        assert result.why.endswith(".")
        assert set(result.payments) == {"press", "desk", "garden"}
        assert result.generated > result.trained > 0


@pytest.mark.slow
def test_a_run_without_a_group_stands_in_for_it(results):
    """The runs without a group are real runs of the same learner, from the same store."""
    result = results["early-stopped"]
    assert result.trained > results["rl"].trained
    others = [promise for promise in result.guarantees if promise.name == "truthful"]
    assert others[0].status == "bounded"
    assert others[0].bound >= 0


@pytest.mark.slow
def test_from_the_command_line(market, tmp_path):
    done = process("compare", market, "--ways", "rl", "--out", tmp_path / "out", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "FutureWarning" not in done.stderr
    folder = next((tmp_path / "out").rglob("adapter_config.json")).parent
    assert (folder / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_the_settings_of_a_file_are_checked(tmp_path, tiny_model):
    from tuneaccord.config.tune import load_tune
    from tuneaccord.tuning.compare import compare_ways

    path = write_market(tmp_path, tiny_model, rl={**LEARNING, "trl": {"normalize_advantages": True}})
    with pytest.raises(InputError, match=r"rl\.trl: .*normalize_advantages is True and must be False"):
        compare_ways(path, ["rl"], tmp_path / "out", 1)
    for wrong in ({"stop_at": 1.5}, {"replies": 1}, {"algorithm": "ppo"}):
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "rl": wrong}))
        with pytest.raises(InputError, match=f"rl.{next(iter(wrong))}"):
            load_tune(path)

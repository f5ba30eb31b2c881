"""The experiments on the tiny and the embedded model: nothing pays, a stopped run continues, mistakes are named."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_market import command, settings, write_market

from tuneaccord import KL, InputError
from tuneaccord.artifacts import Store
from tuneaccord.config.tune import load_tune
from tuneaccord.execution import Serial
from tuneaccord.progress import Silent
from tuneaccord.reproduce import CATALOGUE, reproduce
from tuneaccord.reproduce.picture import panels_svg
from tuneaccord.shipped import example
from tuneaccord.tuning.experiments import figure2, tables
from tuneaccord.tuning.experiments.claims import Claim, pure, scores_of
from tuneaccord.tuning.experiments.outcomes import PoolOutcomes
from tuneaccord.tuning.experiments.setting import SHARES, Options, prepare
from tuneaccord.tuning.experiments.truth import truth_of
from tuneaccord.tuning.job import Frozen, Job, frozen
from tuneaccord.tuning.ledger import Ledger
from tuneaccord.tuning.market import read_market
from tuneaccord.tuning.record import NUMERIC, package_versions

STRENGTH = 0.3
NAMES = ("press", "desk", "garden")


def check_truth_on_pools(scores: Frozen, names: tuple[str, ...], strength: float) -> None:
    """No misreport of either experiment pays on the frozen pool, and none beyond its bound on the held-out prompts."""
    spaces = [
        PoolOutcomes(sheet.scores, KL(strength), seed=seed)
        for seed, sheet in enumerate((scores.sheet, scores.held_out))
    ]
    scenes = [(pure(names[:2], sizes), (0, 1), figure2.lies_of) for sizes in figure2.SIZES]
    if len(names) == 3:
        scenes = [
            (scene.claims(names), (scene.liar,), lambda claims, _, scene=scene: tables.lies_of(scene, claims, names))
            for scene in tables.SCENES
        ]
    cases = sum(len(liars) for _, liars, _ in scenes)
    for claims, liars, lies in scenes:
        for group in liars:
            truth = truth_of(*spaces, claims, group, lies(claims, group), cases)
            assert truth.gain < -1e-6  # the pool is smooth: every misreport costs something
            assert truth.holds


def two_groups(folder: Path, tiny_model) -> Path:
    groups = settings(tiny_model)["groups"][:2]
    return write_market(folder, tiny_model, tune=6, held_out=6, groups=groups, soups={"steps": 2})


def three_groups(folder: Path, tiny_model) -> Path:
    return write_market(folder, tiny_model, tune=4, held_out=4, soups={"steps": 1})


def test_no_misreport_pays_on_the_tiny_model(folder, tiny_model):
    config = write_market(folder / "quick", tiny_model, tune=6, held_out=6)
    check_truth_on_pools(drawn(config, folder), NAMES, STRENGTH)


@pytest.mark.slow
@pytest.mark.model
def test_no_misreport_pays_on_the_embedded_model(folder):
    content = yaml.safe_load(example("papers/real_model/tables2-6.yaml").read_text())
    content["pool"] = {"replies": 8, "new_tokens": 16, "temperature": 0.7}
    for key in ("tune", "held_out"):
        lines = example(f"assistant/prompts-{key.replace('_', '-')}.jsonl").read_text().splitlines()[:6]
        (folder / f"{key}.jsonl").write_text("\n".join(lines))
        content["prompts"][key] = f"{key}.jsonl"
    config = folder / "embedded.yaml"
    config.write_text(yaml.safe_dump(content))
    check_truth_on_pools(drawn(config, folder), ("upbeat", "calm", "easy"), content["divergence"]["strength"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("experiments")


def drawn(config: Path, folder: Path) -> Frozen:
    """Both pools of a market with their scores; nothing is trained."""
    store = Store(folder / "steps", package_versions(NUMERIC))
    return frozen(Job(read_market(config), store, Serial(), Silent(), Ledger(folder / "costs.jsonl")))


@pytest.fixture(scope="module")
def figure(folder, tiny_model):
    config = two_groups(folder / "two", tiny_model)
    return reproduce("figure2", samples=6, seed=3, market=config, folder=folder / "steps", workers=1)


@pytest.mark.slow
def test_figure_2_on_the_tiny_model(figure):
    assert figure.holds, figure.verdict
    gains = figure.table("truth").column("gain, settled")
    assert len(gains) == 12
    assert max(gains) < 1e-9
    assert [panels.key for panels in figure.panels] == ["pool", "soups"]
    truth, *told = figure.table("pool-5-5-1").rows
    assert truth[0] == "truth"
    assert all(row[3] < truth[3] for row in told)  # the pool is smooth: every lie costs something
    assert "size x 4" in [row[0] for row in told]


@pytest.mark.slow
def test_figure_2_is_drawn(figure):
    pytest.importorskip("matplotlib")
    drawn = panels_svg(figure.panels[0], "pool")
    assert drawn == panels_svg(figure.panels[0], "pool")
    for word in ("press, sizes 3:7", "desk, sizes 7:3", "shift of the reward", "utility"):
        assert word in drawn


@pytest.mark.slow
def test_tables_on_the_tiny_model(folder, tiny_model):
    config = three_groups(folder / "three", tiny_model)
    result = reproduce("tables2-6", samples=6, seed=3, market=config, folder=folder / "steps", workers=1)
    assert result.holds, result.verdict
    assert result.table("constants").column("same") == [True] * 10
    assert len(result.table("5-pool").rows) == 13  # truth, 3 sizes, 6 other wishes, 3 shifts


@pytest.mark.slow
def test_a_second_run_computes_nothing_and_says_the_same(figure, folder, tiny_model, monkeypatch):
    import tuneaccord.tuning.experiments.setting as module

    class Nobody:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def run(self, function, jobs):
            assert not jobs, f"{function.__name__} is run again"
            return iter(())

    monkeypatch.setattr(module, "workers_for", lambda *_: Nobody())
    config = two_groups(folder / "moved", tiny_model)
    again = reproduce("figure2", samples=6, seed=3, market=config, folder=folder / "steps", workers=1)
    assert again.to_dict() == figure.to_dict()


def test_a_mixed_wish_is_the_mix_of_published_criteria(folder, tiny_model):
    """The library's own reward of that kind scores a pool as the weights do."""
    groups = [{"name": name, "size": 1, "reward": name} for name in ("upbeat", "calm", "easy")]
    config = write_market(folder / "mix", tiny_model, tune=3, held_out=3, groups=groups)
    sheet = drawn(config, folder).sheet
    mixed = read_market(write_mix(config)).groups[0].score(*sheet.pool.flat())
    ours = scores_of(sheet.scores, [Claim("editor", 1.0, (0.7, 0.0, 0.3))])[:, :, 0]
    assert np.allclose(ours.ravel(), mixed, rtol=0, atol=1e-12)


def write_mix(config: Path) -> Path:
    content = yaml.safe_load(config.read_text())
    content["groups"] = [{"name": "editor", "size": 1, "reward": {"mix": {"upbeat": 0.7, "easy": 0.3}}}]
    path = config.with_name("mixed.yaml")
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("enough", [5, 30])
def test_killed_and_continued_elsewhere_it_says_the_same(figure, folder, tiny_model, enough):
    """Killed with two workers when so many steps are stored, finished in this process."""
    config, cache = two_groups(folder / f"killed-{enough}", tiny_model), folder / f"cache-{enough}"
    steps = cache / "reproduce" / "steps"
    asked = command("reproduce", "figure2", "--market", config, "--samples", 6, "--seed", 3, "--workers", 2, "--json")
    environment = {**os.environ, "TUNEACCORD_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(asked, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    while child.poll() is None and len(list(steps.glob("[!.]*"))) < enough:
        time.sleep(0.002)
    assert child.poll() is None, "it finished before it was killed"
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    result = reproduce("figure2", samples=6, seed=3, market=config, folder=steps.parent, workers=1)
    assert result.to_dict() == figure.to_dict()


@pytest.mark.slow
def test_the_strength_of_the_soups_is_the_largest_at_which_they_win(folder, tiny_model, figure):
    config = two_groups(folder / "strength", tiny_model)
    setting = prepare("figure2", 2, Options(6, 3, config, folder / "steps", 1), Silent())
    scenes = [pure(setting.names, sizes) for sizes in figure2.SIZES]
    strength, matter = setting.soup_strength(scenes)

    def base_wins(price):
        net = setting.soups.values.mean(axis=0) @ np.array(figure2.SIZES).T
        net = net - price * np.array([row.kl.mean() for row in setting.soups.rows])[:, None]
        return (net.argmax(axis=0) == 0).any()

    larger = [share * setting.market.strength for share in SHARES if share * setting.market.strength > strength]
    assert all(base_wins(price) for price in larger)
    assert matter != base_wins(strength)


# Mistakes


def test_mistakes_are_named(folder, tiny_model):
    three = three_groups(folder / "wrong", tiny_model)
    with pytest.raises(InputError, match="figure2 is an experiment with 2 groups, but the market has 3"):
        reproduce("figure2", market=three, folder=folder / "steps")
    groups = settings(tiny_model)["groups"]
    scaled = [*groups[:2], {**groups[2], "scale": [0.0, 2.0]}]
    config = write_market(folder / "scaled", tiny_model, groups=scaled)
    with pytest.raises(InputError, match=r"'garden': tables2-6 needs rewards on the scale \[0, 1\]"):
        reproduce("tables2-6", market=config, folder=folder / "steps")
    with pytest.raises(InputError, match=r"table1 asks no language model.*figure2 and tables2-6 do"):
        reproduce("table1", market=three)


@pytest.mark.parametrize("name", [name for name in CATALOGUE if CATALOGUE[name].model])
def test_the_shipped_markets_are_tune_files(name):
    market = load_tune(example(f"papers/real_model/{name}.yaml"))
    assert len(market.groups) == {"figure2": 2, "tables2-6": 3}[name]
    assert market.pool.replies == CATALOGUE[name].samples
    assert market.soups.rewards in (None, "public")  # their rewards are published criteria and mixes of them

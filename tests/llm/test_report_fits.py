"""Preference pairs and answers: the fits by other routes, and their estimated errors against the truth."""

from __future__ import annotations

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize

from tuneaccord.errors import InputError
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.prompts import Prompt
from tuneaccord.llm.reports import preferences, questions
from tuneaccord.llm.reports.features import NAMES, archetypes, features
from tuneaccord.llm.reports.filled import short_name
from tuneaccord.llm.reports.fit import unseen_share
from tuneaccord.llm.reports.preferences import ODDS, Preferences, fit_slopes
from tuneaccord.llm.reports.questions import Answers, choose, draw, leverage_scores, questionnaire
from tuneaccord.llm.scoring import resolve

WORDS = "good bad water plant how the great awful and is it not you do i very happy".split()  # noqa: SIM905


def made_pool(prompts: int = 8, replies: int = 30, seed: int = 3) -> Pool:
    """Random replies of these words, some of them questions, some without an end."""
    draws = np.random.default_rng(seed)

    def text() -> str:
        return " ".join(draws.choice(WORDS, size=draws.integers(1, 25))) + draws.choice([".", "?", "", " . Why?"])

    asked = tuple(Prompt(f"p{i}", f"how do i {WORDS[i]} the plant") for i in range(prompts))
    texts = tuple(tuple(text() for _ in range(replies)) for _ in range(prompts))
    return Pool(asked, ((1,),) * prompts, tuple(tuple((k,) for k in range(replies)) for _ in texts), texts)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return made_pool()


@pytest.fixture(scope="module")
def other() -> Pool:
    held_out = made_pool(3, seed=4)
    return Pool(tuple(Prompt(f"h{i}", f"is it {i}") for i in range(3)), *vars_of(held_out))


def vars_of(pool: Pool):
    return pool.encoded, pool.tokens, pool.texts


# Features


def test_features_are_on_their_scale_whatever_the_text():
    odd = ["", " ", "?", "。", "é" * 3, "a" * 500, "\ud83e", "1 2 3", "\n- x\n- y", "so so so?!"]
    given = features(["", *["what is it"] * 9], odd)
    assert given.shape == (10, len(NAMES))
    assert ((given >= 0) & (given <= 1)).all()
    mixed = archetypes(["p"], ["r"])
    np.testing.assert_allclose(mixed[:, :8] + mixed[:, 8:], 1.0, rtol=1e-15)
    assert features([], []).shape == (0, len(NAMES))


def test_features_mean_what_they_say():
    rows = ["Water the plant.", "Water it, water it!", "Shall I? Or you?", "I would say that"]
    given = dict(zip(NAMES, features(["How do I water the plant"] * 4, rows).T, strict=True))
    assert given["brief"].argmax() == 0
    assert given["varied"].tolist() == [1.0, 0.5, 1.0, 1.0]
    assert given["on_topic"][0] == 3 / 6
    assert given["asking"].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert given["finished"].tolist() == [1.0, 1.0, 1.0, 0.0]


# Preference pairs


def drawn_pairs(pool: Pool, slopes: np.ndarray, count: int, seed: int) -> list[dict]:
    """Pairs of the pool's replies, preferred as the published model says for a reward with these slopes."""
    draws = np.random.default_rng(seed)
    wish = features(*pool.flat()) @ slopes
    prompts, replies = pool.shape
    pairs = []
    while len(pairs) < count:
        i, (a, b) = draws.integers(prompts), draws.integers(replies, size=2)
        if pool.texts[i][a] == pool.texts[i][b]:
            continue
        odds = ODDS * (wish[i * replies + a] - wish[i * replies + b])
        better, worse = (a, b) if draws.random() < 1 / (1 + np.exp(-odds)) else (b, a)
        pairs.append(
            {"prompt": pool.prompts[i].text, "chosen": pool.texts[i][better], "rejected": pool.texts[i][worse]}
        )
    return pairs


def written(path, pairs) -> None:
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))


SLOPES = np.array([0.6, 0.0, -0.4, 0.5, 0.0, 0.3, -0.3, 0.0])


def test_the_slopes_minimise_the_published_loss():
    """Against a general-purpose minimiser of the formula in the docstring."""
    differences = np.random.default_rng(0).uniform(-0.5, 0.5, (60, 8)) + 0.1 * SLOPES

    def loss(slopes):
        return np.logaddexp(0, -ODDS * differences @ slopes).sum() + (slopes**2).sum() / 2

    found = minimize(loss, np.zeros(8), tol=1e-12)
    np.testing.assert_allclose(fit_slopes(differences), found.x, atol=2e-6)  # what the minimiser's gradient allows
    assert loss(fit_slopes(differences)) <= found.fun + 1e-12


@pytest.mark.parametrize("scale", [1e-9, 1.0, 40.0])
def test_a_group_that_never_wavers_has_finite_slopes(scale):
    differences = scale * np.abs(np.random.default_rng(1).normal(size=(500, 8)))
    slopes = fit_slopes(differences)
    assert np.isfinite(slopes).all()
    gradient = slopes - ODDS * differences.T @ (1 / (1 + np.exp(np.minimum(ODDS * differences @ slopes, 700))))
    assert np.abs(gradient).max() < 1e-6 * max(1.0, np.abs(slopes).max())


def test_a_preference_report(pool, other, tmp_path):
    written(tmp_path / "pairs.jsonl", drawn_pairs(pool, SLOPES, 300, seed=5))
    group = resolve("press", 2.0, Preferences("pairs.jsonl"), tmp_path, (-1.0, 3.0))
    assert group.new_texts
    assert group.scale_policy == "clipped"
    ready = group.on(pool, other)
    assert ready.identity == group.identity
    assert ready.scale_policy == "clipped"
    scores = ready.score(*pool.flat())
    assert ((scores >= -1) & (scores <= 3)).all()
    assert abs(scores.mean() - 1.0) < 0.05  # the middle, but for what was clipped
    error = (scores - 4 * features(*pool.flat()) @ SLOPES).reshape(pool.shape)
    assert np.ptp(error, axis=1).max() / 2 < ready.fit.epsilon < 4
    assert ready.score(["never asked"], ["never said"]).shape == (1,)
    assert ready.fit == group.on(pool, other).fit


@pytest.mark.slow
def test_the_error_of_preferences_is_estimated_well():
    """Over groups whose reward is linear in the features the estimate covers the truth about as often as it says."""
    covered = []
    for seed in range(40):
        draws = np.random.default_rng([17, seed])
        given = np.clip(0.5 + draws.normal(size=(640, 8)) * [0.16, 0.1, 0.13, 0.05, 0.08, 0.15, 0.2, 0.4], 0, 1)
        slopes = 0.4 * draws.normal(size=8)
        wish = 0.5 + (given - given.mean(axis=0)) @ slopes
        rows = 40 * draws.integers(16, size=100)[:, None] + draws.integers(40, size=(100, 2))
        odds = ODDS * (wish[rows[:, 0]] - wish[rows[:, 1]])
        sign = np.where(draws.random(100) < 1 / (1 + np.exp(-odds)), 1.0, -1.0)
        differences = sign[:, None] * (given[rows[:, 0]] - given[rows[:, 1]])
        found = fit_slopes(differences)
        fit = preferences._fit(differences, found, given, SimpleNamespace(shape=(16, 40), digest="x"), 1.0)
        fitted = np.clip(0.5 + (given - given.mean(axis=0)) @ found, 0, 1)
        error = np.ptp((fitted - np.clip(wish, 0, 1)).reshape(16, 40), axis=1).max() / 2
        covered.append(error <= fit.epsilon)
    assert np.mean(covered) >= 0.85  # 95% is aimed at; 40 games


def test_pairs_as_messages(tmp_path):
    rows = [
        {
            "prompt": [{"role": "user", "content": "how"}],
            "chosen": [{"role": "assistant", "content": f"good {k}"}],
            "rejected": "bad",
        }
        for k in range(10)
    ]
    written(tmp_path / "pairs.jsonl", rows)
    (first, *_) = preferences.read_pairs("press", tmp_path / "pairs.jsonl")
    assert (first.prompt, first.chosen, first.rejected) == ("how", "good 0", "bad")


PAIR = {"prompt": "how do i good the plant", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["not json"], "pairs.jsonl, line 1 is not JSON: not json."),
        (["[1]"], "pairs.jsonl, line 1 is not a pair"),
        (['{"prompt": "x", "chosen": "a"}'], "pairs.jsonl, line 1 has no 'rejected'"),
        (['{"prompt": "x", "chosen": 3, "rejected": "b"}'], "'chosen' must be a text, got 3"),
        (['{"prompt": "x", "chosen": "a", "rejected": "a"}'], "chosen and rejected are the same text"),
        ([json.dumps(PAIR)] * 3, "has 3 pairs. A fit needs at least 10"),
        (
            [json.dumps(PAIR)] * 10 + [json.dumps({**PAIR, "prompt": "who?"})],
            "line 11: the prompt 'who?' is in neither",
        ),
        ([json.dumps(PAIR)] * 10 + [json.dumps({**PAIR, "prompt": "is it 1"})], "the prompt 'is it 1' is held out"),
    ],
)
def test_pairs_that_are_none(pool, other, tmp_path, lines, expected):
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        resolve("press", 2.0, Preferences("pairs.jsonl"), tmp_path).on(pool, other)
    assert expected in str(caught.value)
    assert "group 'press'" in str(caught.value)


# Questions


def test_leverage_scores_are_the_diagonal_of_the_projection(pool):
    matrix = archetypes(*pool.flat())
    scores = leverage_scores(matrix)
    np.testing.assert_allclose(scores, np.diag(matrix @ np.linalg.pinv(matrix)), atol=1e-9)
    assert abs(scores.sum() - 9) < 1e-9  # eight features and the constant
    assert ((scores >= 0) & (scores <= 1 + 1e-12)).all()


def test_questions_follow_from_pool_and_name_alone(pool):
    asked = choose(pool, "press", 20, 10)
    again = choose(made_pool(), "press", 20, 10)
    np.testing.assert_array_equal(asked.rows, again.rows)
    np.testing.assert_array_equal(asked.checks, again.checks)
    assert len(set(asked.rows)) == 20
    assert len(set(asked.checks) - set(asked.rows)) == 10
    assert set(choose(pool, "desk", 20, 10).rows) != set(asked.rows)


def test_rows_are_drawn_in_proportion_to_their_leverage(pool):
    """First questions of many draws: frequencies against the scores, and the weights undo them."""
    scores = leverage_scores(archetypes(*pool.flat()))
    first = np.bincount([draw(scores, seed, 1, 1).rows[0] for seed in range(400)], minlength=len(scores))
    likely = np.argsort(scores)[len(scores) // 2 :]
    expected = 400 * scores[likely].sum() / scores.sum()
    assert abs(first[likely].sum() - expected) < 4 * np.sqrt(expected)
    # with weights 1 / (q p_j) every row counts once on average, so they sum to about the number of rows
    sums = [draw(scores, seed, 20, 1).weights.sum() for seed in range(100)]
    assert abs(np.mean(sums) / len(scores) - 1) < 0.1


def filled(text: str, score, seed: int | None = None) -> str:
    """A questionnaire with ``score(prompt, reply)`` in it."""
    rows = list(csv.DictReader(io.StringIO(text)))
    if seed is not None:
        np.random.default_rng(seed).shuffle(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows({**row, "score": score(row["prompt"], row["reply"])} for row in rows)
    return out.getvalue()


def test_a_mix_of_archetypes_is_found_from_twenty_answers(pool, other, tmp_path):
    """A reward that is one comes back everywhere, to rounding, whatever the order of the rows."""
    mix = np.zeros(16)
    mix[[0, 3, 5, 15]] = 0.4, 0.3, 0.2, 0.1

    def wish(prompt, reply):
        return -1 + 3 * float(archetypes([prompt], [reply])[0] @ mix)

    (tmp_path / "answers.csv").write_text(filled(questionnaire(pool, "press"), wish, seed=2))
    group = resolve("press", 2.0, Answers("answers.csv"), tmp_path, (-1.0, 2.0)).on(pool, other)
    truth = [wish(prompt, reply) for prompt, reply in zip(*pool.flat(), strict=True)]
    np.testing.assert_allclose(group.score(*pool.flat()), truth, atol=1e-7)
    assert group.fit.epsilon < 1e-7
    assert "30 answers, 10 of which were not fitted to" in group.fit.how


def test_a_reward_near_a_mix_is_nearly_fitted_as_well_as_by_all_answers(pool):
    """The squared error over the pool against that of the best mix, which is fitted to every reply."""
    from scipy.optimize import nnls

    matrix, ratios = archetypes(*pool.flat()), []
    scores = leverage_scores(matrix)
    for seed in range(30):
        draws = np.random.default_rng([9, seed])
        answers = matrix @ draws.dirichlet(np.ones(16)) + 0.05 * draws.normal(size=len(matrix))
        asked = draw(scores, seed, 60, 1)
        found = questions.fit_mix(matrix[asked.rows], answers[asked.rows], asked.weights)
        best = nnls(matrix, answers)[1] ** 2
        ratios.append(((matrix @ found - answers) ** 2).sum() / best)
    assert min(ratios) >= 1 - 1e-9
    assert np.median(ratios) < 1.3  # k = 9 parameters, 60 answers: 1 + 9 / 60 for even noise


@pytest.mark.slow
def test_the_error_of_answers_is_what_it_says(pool, other, tmp_path):
    """At most the stated share of the pool's other replies is further off, in nearly all of many groups."""
    matrix, beyond = archetypes(*pool.flat()), []
    text = questionnaire(pool, "press")
    for seed in range(25):
        draws = np.random.default_rng([21, seed])
        truth = np.clip(matrix @ draws.dirichlet(np.ones(16)) + 0.1 * draws.normal(size=len(matrix)), 0, 1)
        cells = {cell: truth[row] for row, cell in enumerate(zip(*pool.flat(), strict=True))}
        (tmp_path / "answers.csv").write_text(filled(text, lambda p, r, cells=cells: cells[p, r]))
        group = resolve("press", 1.0, Answers("answers.csv"), tmp_path).on(pool, other)
        beyond.append((np.abs(group.score(*pool.flat()) - truth) > group.fit.epsilon).mean())
    assert np.mean(np.array(beyond) <= unseen_share(10)) >= 0.9  # 95% is claimed; 25 groups


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t, p: t.replace("score", "scores"), "has no column 'score'"),
        (lambda t, p: t, "the score must be a finite number, got ''"),
        (lambda t, p: filled(t, lambda *_: 7.0), "answers 7 for reply"),
        (lambda t, p: filled(t, lambda *_: 0.5).replace(short_name(p.digest), "0" * 16), "is about the pool '0000"),
        (lambda t, p: filled(t, lambda *_: 0.5).replace(short_name(p.digest), "0" * 16, 1), "answers about 2 pools"),
        (lambda t, p: "\n".join(filled(t, lambda *_: 0.5).splitlines()[:-1]), "is not one of the"),
        (lambda t, p: "\n".join(filled(t, lambda *_: 0.5).splitlines()[:11]), "no answer with the use 'check'"),
        (lambda t, p: filled(t, lambda *_: 0.5).replace("fit", "foot", 1), "must be 'fit' or 'check', got 'foot'"),
        (lambda t, p: t + filled(t, lambda *_: 0.5).splitlines()[1], "the score must be a finite number"),
        (lambda t, p: filled(t, lambda *_: 0.5) + filled(t, lambda *_: 0.5).splitlines()[1], "is scored twice"),
    ],
)
def test_answers_that_are_none(pool, other, tmp_path, change, expected):
    (tmp_path / "answers.csv").write_text(change(questionnaire(pool, "press"), pool))
    with pytest.raises(InputError) as caught:
        resolve("press", 2.0, Answers("answers.csv"), tmp_path).on(pool, other)
    assert expected in str(caught.value)
    assert "group 'press'" in str(caught.value)


def test_more_questions_than_there_are_replies():
    with pytest.raises(InputError, match="Ask fewer"):
        choose(made_pool(2, 5), "press", 8, 3)
    with pytest.raises(InputError, match="at least one"):
        choose(made_pool(2, 5), "press", 0, 3)

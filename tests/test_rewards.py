"""Tables as rewards: scales by hand, and what is refused."""

import numpy as np
import pytest

import tuneaccord as ta


@pytest.mark.parametrize(
    ("scale", "expected"),
    [(None, [[1, 3], [2, 0]]), ("sum", [[0.25, 0.75], [1, 0]]), ("max", [[1 / 3, 1], [1, 0]])],
)
def test_scales_apply_prompt_by_prompt(scale, expected):
    np.testing.assert_array_equal(ta.TableReward([[1, 3], [2, 0]], scale=scale).on((2, 2)), expected)


def test_one_row_serves_one_prompt():
    np.testing.assert_array_equal(ta.TableReward([1, 2]).on((1, 2)), [[1.0, 2.0]])


def test_the_table_is_a_copy_that_cannot_be_changed():
    given = np.array([1.0, 2.0])
    reward = ta.TableReward(given)
    given[0] = 9.0
    assert reward.scores[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        reward.scores[0] = 9.0


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([0.5, np.nan], r"finite number, got nan at \[1\]. Give unanswered responses a number"),
        ([[0.5], [np.inf]], r"finite number, got inf at \[1, 0\]"),
        ([0.5, -np.inf], r"finite number, got -inf at \[1\]"),
        ([0.5, None], r"finite number, got nan at \[1\]"),
        ([[1, 2], [3]], r"rectangular table of numbers, one row a prompt .* got \[\[1, 2\], \[3\]\]"),
        (["0.5", "1"], r"rectangular table of numbers, .* got \['0.5', '1'\]"),
        ("text", "rectangular table of numbers, .* got 'text'"),
        ({"a": 1}, "rectangular table of numbers, .* got {'a': 1}"),
        ([1j, 0], "rectangular table of numbers"),
        (1.0, r"shape \(responses,\) or \(prompts, responses\), got \(\)"),
        ([], r"got \(0,\)"),
        (np.zeros((2, 2, 2)), r"got \(2, 2, 2\)"),
    ],
    ids=str,
)
def test_a_table_that_is_not_one_is_refused(scores, message):
    with pytest.raises(ta.InputError, match=message):
        ta.TableReward(scores)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ta.InputError, match="scale must be 'sum', 'max' or None, got 'mean'"):
        ta.TableReward([1.0], scale="mean")


@pytest.mark.parametrize("scale", ["sum", "max"])
@pytest.mark.parametrize("scores", [[0.0, 0.0], [2.0, -1.0], [[1.0, 1.0], [0.0, 0.0]]], ids=str)
def test_a_scale_needs_something_positive_to_divide_by(scale, scores):
    reward = ta.TableReward(scores, scale=scale)
    with pytest.raises(ta.InputError, match=f"scale='{scale}' needs non-negative scores .* Shift the scores"):
        reward.on(np.atleast_2d(scores).shape)


@pytest.mark.parametrize("shape", [(1, 3), (2, 2), (2, 1)], ids=str)
def test_a_table_of_another_shape_is_refused(shape):
    with pytest.raises(ta.InputError, match=r"shape \(1, 2\) but the space has .* Give one score for each prompt"):
        ta.TableReward([1.0, 2.0]).on(shape)

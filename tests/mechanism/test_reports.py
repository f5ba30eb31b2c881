"""A report that makes no sense is refused where it is written."""

import math

import numpy as np
import pytest

import tuneaccord as ta

REWARD = ta.TableReward([0.0, 1.0])


@pytest.mark.parametrize("size", [0, -1, -1e-9, math.nan, math.inf, np.float64("nan"), 10**400])
def test_a_size_must_be_positive_and_finite(size):
    with pytest.raises(
        ta.InputError, match=r"size of group 'clinic' must be a positive finite .* Leave a group without members out"
    ):
        ta.Report("clinic", size, REWARD)


@pytest.mark.parametrize("size", ["3", True, None, [3], 3j, np.complex128(3)])
def test_a_size_must_be_a_number(size):
    with pytest.raises(ta.InputError, match=r"size of group 'clinic' must be a number, got .* Try its number of"):
        ta.Report("clinic", size, REWARD)


@pytest.mark.parametrize("size", [3, 3.0, np.int64(3), np.float32(3)])
def test_any_real_number_is_a_size(size):
    kept = ta.Report("clinic", size, REWARD).size
    assert (kept, type(kept)) == (3.0, float)


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_a_name_must_be_a_text(name):
    with pytest.raises(ta.InputError, match="name must be a non-empty text, got"):
        ta.Report(name, 1, REWARD)


def test_a_reward_must_be_a_reward_model():
    with pytest.raises(ta.InputError, match=r"reward of group 'clinic' must be .* TableReward\(\[...\]\), got list"):
        ta.Report("clinic", 1, [0.0, 1.0])

"""Cases that a model or a report brings along and that a small test model does not have by itself."""

from dataclasses import replace

import numpy as np
import pytest
from plain_route import pool_of_words

from tuneaccord.errors import InputError
from tuneaccord.llm.generate import Sampling
from tuneaccord.llm.prompts import Prompt
from tuneaccord.llm.trl_settings import check_extra
from tuneaccord.llm.vocabulary import consequences


def test_a_reply_may_hold_what_is_only_padding_of_the_output_matrix():
    """Output matrices are often larger than the vocabulary; a sampled reply may have one of the rows beyond."""
    pool = pool_of_words([[1]], [[[0, 2], [1, 9]]])  # token 9 of a vocabulary of 3
    expected = [[0.0, 1.0], [0.0, 3.0]]
    found = consequences(pool, expected, 3, horizon=8, shrinkage=1.0)
    np.testing.assert_allclose(found, [-0.5, 0.5, 0.0])  # what follows 0 is worth 1, what follows 1 is 3: mean 2


def test_a_fit_to_another_pool_is_another_run(ref, tiny):
    pytest.importorskip("trl")
    from tuneaccord.llm.adapters import Lora
    from tuneaccord.llm.reports.fit import Fit
    from tuneaccord.llm.reports.reward import GroupReward
    from tuneaccord.llm.rl import Learning, ReinforcementLearner

    group = GroupReward("a", 1.0, "pairs.csv", "fitted", (0.0, 1.0), lambda prompts, replies: [0.0], {"file": "x"})
    text = "is it good ?"
    learner = ReinforcementLearner(
        ref, (Prompt("1", text),), (tuple(tiny.encode(text)),), (group,), Sampling(3, 0.9), 0.3, Lora(1, 2.0),
        Learning(1, 1, 2, 2, 0.01, 1), (1,),
    )  # fmt: skip
    runs = [learner._run((1.0,))]
    for digest in ("sha256:1", "sha256:2"):
        fitted = replace(group, fit=Fit(epsilon=0.1, how="a guess", digest=digest))
        runs.append(replace(learner, groups=(fitted,))._run((1.0,)))
    assert len({run.inputs for run in runs}) == 3


def test_a_setting_that_only_grpo_has():
    check_extra({"use_bias_correction_kl": True}, "grpo")
    with pytest.raises(InputError, match="use_bias_correction_kl is not one of those"):
        check_extra({"use_bias_correction_kl": True}, "rloo")

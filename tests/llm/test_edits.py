"""Edits: one token of a reply replaced by each of the vocabulary, and what that does to its score."""

import numpy as np
import pytest
from plain_route import pool_of_words

from tuneaccord.llm.edits import Context, draw_contexts, edited_pool, token_credits


@pytest.fixture
def pool(tiny):
    prompts = [tiny.encode(text) for text in ("how do i water the plant ?", "is it good ?", "is it bad ?")]
    replies = [[list(range(6, 6 + 8)), [9, 10, 11]], [[5 + k for k in range(16)], [7]], [[20, 21], [22, 23, 24, 25]]]
    return pool_of_words(prompts, replies)


def test_only_the_token_at_the_place_changes(tiny, pool):
    (stop,) = tiny.stop_tokens
    edited = edited_pool(tiny, pool, (Context(0, 0, 2), Context(1, 1, 0)), range(len(tiny.tokenizer)))
    assert edited.shape == (2, len(tiny.tokenizer))
    for token in range(len(tiny.tokenizer)):
        end = () if token == stop else (9, 10, 11, 12, 13)
        assert edited.tokens[0][token] == (6, 7, token, *end)
        assert edited.tokens[1][token] == (token,)
    words = tiny.tokenizer.convert_ids_to_tokens(list(range(6, 14)))
    assert edited.texts[0][8] == " ".join(words)  # the reply as it was
    assert edited.texts[0][stop] == " ".join(words[:2])
    assert [prompt.text for prompt in edited.prompts] == ["prompt 0", "prompt 1"]


def test_places_are_inside_replies_and_of_all_prompts(pool):
    contexts = draw_contexts(pool, 7, seed=3)
    assert contexts == draw_contexts(pool, 7, seed=3) != draw_contexts(pool, 7, seed=4)
    assert {context.prompt for context in contexts[:3]} == {0, 1, 2} == {context.prompt for context in contexts[3:6]}
    for seed in range(50):
        for context in draw_contexts(pool, 7, seed):
            length = len(pool.tokens[context.prompt][context.reply])
            assert length // 8 <= context.position < length - length // 8


def test_credits_of_an_additive_score_are_its_terms():
    """Whatever else a context adds; and one odd context of three changes nothing."""
    draws = np.random.default_rng(0)
    worth = draws.normal(size=9)
    scores = worth + np.array([[4.0], [-1.0], [0.5]])
    np.testing.assert_allclose(token_credits(scores), worth - np.median(worth), atol=1e-12)
    odd = np.vstack([scores[:2] - 1.0, 5.0 * draws.normal(size=(1, 9))])
    near = token_credits(np.vstack([odd, scores[:2]]))
    np.testing.assert_allclose(near, worth - np.median(worth), atol=1e-12)

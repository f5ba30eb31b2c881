"""The words about a comparison say what its numbers say."""

from tuneaccord.reporting.ways_report import settling_sentence


def test_tokens_to_settle_as_a_multiple_of_delivering():
    ways = {"reply": (0, 0), "adapter": (100, 50), "leave-one-out": (400, 200), "soups": (300, 0)}
    record = {
        "pool": {"tokens": {"tune": 1000, "held_out": 500}},
        "ways": [{"name": name, "generated": g, "trained": t} for name, (g, t) in ways.items()],
    }
    assert settling_sentence(record).endswith("problem; n + 1 adapters 1.39.")  # 1600 / 1150
    record["ways"] = record["ways"][:1]
    assert settling_sentence(record).endswith(
        "reply mode 1.00, because the pool that is drawn anyway holds every leave-one-out problem."
    )

"""What a class played, in sentences: for one player, and for the projector. Amounts are in the session's money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneaccord.reporting.formatting import listing, number, size

EVEN = 5e-3  #: amounts of money that differ by less are shown as the same


def amount(units: float, found: Mapping[str, Any], signed: bool = False) -> str:
    """An amount of size times score in the session's money, with two digits.

    >>> amount(0.25, {"rate": 10.0}), amount(-1.0, {"rate": 10.0}, signed=True), amount(1e-17, {"rate": 10.0}, True)
    ('2.50', '−10.00', '0')
    """
    money = units * found["rate"]
    if abs(money) < EVEN:
        return "0"
    return number(money, 2, signed)


def verdict(row: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Would the truth have been better? In few words."""
    if row["reported"] and not row["lied"]:
        return "told the truth"
    gain = row["gain"] * found["rate"]
    if abs(gain) < EVEN:
        return "the same"
    return "yes" if gain < 0 else "no"


def the_lie(row: Mapping[str, Any]) -> str:
    """What was not true in a report."""
    if not row["reported"]:
        return "no report"
    if not row["lied"]:
        return "the truth"
    parts = []
    if abs(row["size_factor"] - 1) > 1e-9:
        parts.append(f"size {size(row['report']['size'])} instead of {size(row['truth']['size'])}")
    if row["moved"] > 1e-9:
        parts.append(f"scores moved by {number(row['moved'], 2)} on average")
    return listing(parts)


def own_words(row: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """For one player: what it did, what that brought, and why."""
    if not row["reported"]:
        return _silent(row, found)
    if not row["lied"]:
        return _truthful(found)
    return [*_consequence(row, found), _why(row, found)]


def _silent(row: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    return [
        "You did not report, so the model was chosen without you and you paid nothing.",
        f"With the truth you would have {amount(row['truth_utility'], found)} {found['currency']} instead of "
        f"{amount(row['utility'], found)}.",
    ]


def _truthful(found: Mapping[str, Any]) -> list[str]:
    if found["paid"]:
        return [
            "You told the truth, and nothing else would have brought you more, whatever the others reported.",
            "You pay what the others lose because the model also listens to you. A stronger report moves the model "
            "further to your side, but what it takes from them is added to your payment.",
        ]
    return [
        "You told the truth where nobody pays.",
        "Then a larger size would have moved the model to your side for free; the curve shows what it would have "
        "brought.",
    ]


def _consequence(row: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    worth = row["value"] - row["truth_value"]
    first = f"You reported {the_lie(row)}."
    moved = f"Compared with the truth, the model is worth {amount(worth, found, True)} {found['currency']} to you"
    if found["paid"]:
        paid = row["payment"] - row["truth_payment"]
        second = (
            f"{moved}, and your payment changed by {amount(paid, found, True)}: together {_gain(row['gain'], found)}."
        )
    else:
        second = f"{moved}, and nobody pays."
    return [first, second]


def _why(row: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    gain, free, charged = (row[key] * found["rate"] for key in ("gain", "gain_free", "gain_charged"))
    if abs(gain) < EVEN and abs(free) < EVEN:
        return "The lie did not move the model enough to matter."
    if found["paid"]:
        if free > EVEN:
            return (
                "Your payment is what the others lose through your report. The lie took more from them than it "
                f"brought you. Without payments it would have brought you {amount(row['gain_free'], found, True)}."
            )
        return "The lie moved the model away from what you want, and what you saved in payment is less than that."
    if free <= EVEN:
        return "The lie moved the model away from what you want. Overstating what you want would have helped you."
    then = f"your result would have changed by {amount(row['gain_charged'], found, True)}" if charged < -EVEN else ""
    return "Without payments nobody is charged for what the others lose, so exaggerating pays." + (
        f" With payments the same lie would not: {then}." if then else ""
    )


def _gain(units: float, found: Mapping[str, Any]) -> str:
    text = amount(units, found, True)
    return "nothing gained or lost" if text == "0" else text


def class_words(found: Mapping[str, Any]) -> list[str]:
    """For the projector: how many lied, what it brought them, and what it did to the class."""
    rows = found["players"]
    liars = [row for row in rows if row["lied"]]
    if not liars:
        words = ["Nobody lied."]
    else:
        words = [f"{len(liars)} of {len(rows)} players did not report the truth.", _lies(liars, found)]
    lost = (found["honest_net_welfare"] - found["net_welfare"]) * found["rate"]
    if lost > EVEN:
        words.append(
            f"Had everybody told the truth, the whole class would have {number(lost, 1)} {found['currency']} more "
            "(worth to all, minus the price of moving the model)."
        )
    return words


def _lies(liars: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    free = _counted([row["gain_free"] for row in liars], found)
    charged = _counted([row["gain_charged"] for row in liars], found)
    if found["paid"]:
        return f"Their lies: {charged}. Had nobody paid, the same lies: {free}."
    return f"Nobody paid. Their lies: {free}. With payments, the same lies: {charged}."


def _counted(gains: Sequence[float], found: Mapping[str, Any]) -> str:
    money = [gain * found["rate"] for gain in gains]
    counts = (
        (sum(gain > EVEN for gain in money), "brought something"),
        (sum(gain < -EVEN for gain in money), "cost something"),
        (sum(abs(gain) <= EVEN for gain in money), "changed nothing"),
    )
    return listing([f"{count} {words}" for count, words in counts if count])

"""The sentences of a run's documents: what was chosen, who pays what, what is recommended, and why.

Every sentence is computed from the run's numbers, so a run that went badly says so. No sentence claims
more than the guarantees recorded in the run.
"""

from __future__ import annotations

import math
import shlex

from tuneaccord.reporting.formatting import interval, listing, number, percent, plain, size

DELIVERY = {"base": "the base model", "policy": "the chosen policy", "adapter": "the adapter"}
#: correlations closer to zero than this are called unrelated
RELATED = 0.2
#: below this many effective replies a prompt, the policy rests on a few lucky ones
THIN = 4.0
HOW_TO_TRAIN = (
    "This run trained no adapter. To get one, run tuneaccord tune again on the same configuration file without "
    "--no-tune: the pool and the settlement are reused, only the training and its measurement are added."
)

WHY = (
    "Exaggerating (to the right of the dotted line) buys value, but the payment rises by at least as much, and utility "
    "falls. Understating saves payment, and loses at least as much value."
)


def rows_of(run: dict) -> dict[str, dict]:
    """The held-out rows by the name of what is delivered."""
    return {row["name"]: row for row in run["held_out"]["rows"]}


def headline(run: dict) -> list[str]:
    """What was chosen, who pays what, and what is recommended, one sentence or two each."""
    return [chosen_in_words(run), adapter_in_words(run), bill_in_words(run), recommended_in_words(run)]


def chosen_in_words(run: dict) -> str:
    """How much the chosen policy gains over the base on held-out prompts."""
    gain = rows_of(run)["policy"]["gain"]
    text = f"On prompts it had not seen, the chosen policy gains {interval(gain, signed=True)} over the base"
    if gain["low"] > 0:
        return f"{text} in net welfare."
    if gain["high"] < 0:
        return f"{text} in net welfare: it is worse than the base."
    return f"{text} in net welfare. The interval includes zero: that it is better is not shown."


def adapter_in_words(run: dict) -> str:
    """What share of that gain the adapter realises, or that there is none."""
    row = rows_of(run).get("adapter")
    if row is None:
        return HOW_TO_TRAIN
    own = f"its own gain is {interval(row['gain'], signed=True)}"
    if row["share"] is None:
        return f"The adapter does not realise a known share of that; {own}."
    return f"The adapter realises {percent(row['share'])} of that gain; {own}.{second_in_words(run)}"


def second_in_words(run: dict) -> str:
    """The adapter's gain by the second route, when it was taken."""
    second = run["held_out"].get("second_estimate")
    if second is None:
        return ""
    return f" A second estimate, by {second['method']}, gives {interval(second['gain'], signed=True)}."


def training_in_words(run: dict) -> str:
    """How the adapter was made, how far it got on its own replies, and what validation made of it."""
    made = run["adapter"]
    passes = f", {made['passes']} times over" if made["passes"] > 1 else ""
    told = (
        _vocabulary_in_words(made)
        if made["objective"] == "vocabulary"
        else (
            f"LoRA of rank {made['rank']}, {made['steps']} steps with learning rate {made['learning_rate']:g} on "
            f"{made['trained_replies']} replies of the frozen pool{passes} ({made['objective']} objective)."
        )
    )
    if made["residual"]:
        last = f"{100 * made['residual'][-1]:.0f}%"
        told += f" In the last step the objective stood at {last} of its value at the base (0% is the chosen policy)."
    if made["validation_correlation"] is not None:
        told += (
            f" On {made['validation_prompts']} prompts kept out of training its log-ratios to the base had a "
            f"correlation of {made['validation_correlation']:.2f} with those of the policy, so it was multiplied by "
            f"{made['factor']:.2f}."
        )
        if made["factor"] == 0.0:
            told += " It equals the base model: nothing that it learnt was of use on those prompts."
    return told


def _vocabulary_in_words(made: dict) -> str:
    return (
        f"LoRA of rank {made['rank']} on the output layer, not trained step by step: a bias for each token of the "
        f"vocabulary, from its score in {made['contexts']} places of the frozen pool and from what follows it in "
        f"{made['trained_replies']} replies of the pool."
    )


def bill_in_words(run: dict) -> str:
    """Every group's payment in one sentence."""
    bills = [f"{plain(group)} pays {amount(run, group)}" for group in names(run)]
    total = sum(payment["estimate"] for payment in run["settlement"]["payments"].values())
    money = run.get("money")
    whole = f"{money['currency']} {grouped(money['total'])}" if money else f"{number(total)} units"
    return f"{listing(bills)}; {whole} in total."


def recommended_in_words(run: dict) -> str:
    """What to deliver, and the recorded reason."""
    name = run["held_out"]["recommended"]
    return f"Recommended: {DELIVERY[name]}. {plain(run['held_out']['reason'])}".strip()


def names(run: dict) -> list[str]:
    """The groups in their order."""
    return [group["name"] for group in run["groups"]]


def amount(run: dict, group: str) -> str:
    """A group's payment in units, and in money where a rate was set."""
    units = f"{number(run['settlement']['payments'][group]['estimate'])} units"
    money = run.get("money")
    return f"{money['currency']} {grouped(money['invoices'][group])} ({units})" if money else units


def grouped(money: str) -> str:
    """An exact amount with thousands apart; the cents are not touched.

    >>> grouped("12345.60")
    '12,345.60'
    """
    whole, point, cents = str(money).partition(".")
    sign = "\N{MINUS SIGN}" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-') or 0):,}{point}{cents}"


def payment_in_words(run: dict, group: str) -> str:
    """Why a group pays what it pays."""
    settlement = run["settlement"]
    payment = settlement["payments"][group]["estimate"]
    others = settlement["net_welfare"]["estimate"] - settlement["group_values"][group]["estimate"]
    staying = settlement["utilities"][group]["estimate"] - settlement["staying_out"][group]
    if not payment > 1e-9:
        return f"pays nothing: the others lose nothing by its taking part.{_kept(staying)}"
    if len(names(run)) == 1:
        price = "the price of leaving the base model, for which nobody else asked"
        return f"pays {amount(run, group)}: {price}.{_kept(staying)}"
    return (
        f"pays {amount(run, group)}. Without it, the best model for the others would have left them "
        f"{number(others + payment)} units net of the price; with it they have {number(others)}. "
        f"The difference is its payment.{_kept(staying)}"
    )


def _kept(staying: float) -> str:
    if staying < -1e-9:
        return f" It has {number(-staying)} units less than by staying out."
    return f" After paying, it has {number(max(staying, 0.0))} units more than by staying out."


def relations(run: dict) -> list[str]:
    """Which groups conflict, which want the same, and who is a bystander."""
    order, table = names(run), run["correlations"]
    pairs = [(a, b, table[i][j]) for i, a in enumerate(order) for j, b in enumerate(order) if i < j]
    lines = [_relation(a, b, r) for a, b, r in pairs if r is not None and abs(r) >= RELATED]
    related = {name for a, b, r in pairs if r is not None and abs(r) >= RELATED for name in (a, b)}
    bystanders = [plain(name) for name in order if name not in related]
    if len(order) == 1:
        return ["There is one group only: nobody else's wishes to weigh."]
    if bystanders:
        verb = "is a bystander" if len(bystanders) == 1 else "are bystanders"
        lines.append(
            f"{listing(bystanders)} {verb}: no wish related to another's (every correlation is weaker than "
            f"{RELATED:g}). A bystander still competes for how far the model may leave the base."
        )
    return lines


def _relation(a: str, b: str, r: float) -> str:
    if r < 0:
        return (
            f"{plain(a)} and {plain(b)} conflict ({number(r, 2)}): replies that one likes, the other tends to dislike."
        )
    return f"{plain(a)} and {plain(b)} want similar replies ({number(r, 2, signed=True)})."


def lies_in_words(run: dict) -> str:
    """Whether any of the misreports tried would have paid, and the one that came closest."""
    lies = [lie for group in names(run) for lie in _lies(run, group)]
    if not lies:
        return "No misreport was tried in this run."
    best = max(lies, key=lambda lie: lie[0])
    tolerance = max(1e-9, run["settlement"].get("regret_bound") or 0.0)
    tried = f"{len(lies)} misreports were tried, each with the others unchanged."
    if best[0] > tolerance:
        return f"{tried} One would have paid: {best[1]} gains {number(best[0])} units with {best[2]}."
    if best[0] > -tolerance:
        return f"{tried} None would have raised the utility of the group that lied. {WHY}"
    return (
        f"{tried} None would have paid. The one that came closest, {best[1]} with {best[2]}, "
        f"would have cost it {number(-best[0])} units. {WHY}"
    )


def _lies(run: dict, group: str) -> list[tuple[float, str, str]]:
    outcomes = run["misreports"][group]
    truth = outcomes["truth"]["utility"]
    sizes = [(row, f"size × {row['factor']:g}") for row in outcomes["size"] if row["factor"] != 1]
    shifts = [(row, f"β = {row['shift']:g}") for row in outcomes["shift"] if row["shift"] != 1]
    lies = sizes + (shifts if "shift" in kinds_of(run) else [])
    return [(row["utility"] - truth, plain(group), words) for row, words in lies]


def kinds_of(run: dict) -> list[str]:
    """The kinds of misreport that were tried; a lone group has no others to shift its reward against."""
    kinds = ["size", "shift"] if len(names(run)) > 1 else ["size"]
    return [kind for kind in kinds if all(run["misreports"][group][kind] for group in names(run))]


def spread_in_words(run: dict) -> str:
    """How many replies the policy really spreads over, and whether that is too few."""
    spread, replies = run["settlement"]["effective_sample_size"], run["pool"]["replies"]
    text = (
        f"On average the policy spreads over {number(spread['mean'], 1)} of the {replies} replies of a prompt "
        f"(least: {number(spread['min'], 1)})."
    )
    if spread["min"] < THIN:
        return f"{text} For some prompts it rests on very few replies: draw more replies, or raise the strength."
    return text


def policy_in_words(run: dict) -> str:
    """What the chosen policy does when it is used."""
    pool, divergence = run["pool"], run["divergence"]
    weights = "the weights that maximise net welfare"
    if divergence["kind"] == "KL":
        weights = f"weights proportional to exp(total score ÷ {divergence['strength']:g})"
    return (
        f"The chosen policy is used like this: draw {pool['replies']} replies from the base model (temperature "
        f"{pool['temperature']:g}, at most {pool['new_tokens']} new tokens), score them with every group's reward, and "
        f"keep one at random with {weights}. The total score of a reply is the sum of size × reward over the groups."
    )


def sizes_in_words(run: dict) -> str:
    """Groups with their sizes.

    >>> sizes_in_words({"groups": [{"name": "a", "size": 5.0}, {"name": "b", "size": 2.5}]})
    'a (size 5) and b (size 2.5)'
    """
    return listing([f"{plain(group['name'])} (size {size(group['size'])})" for group in run["groups"]])


def bound_in_words(guarantee: dict) -> str:
    """By how much a promise can fail."""
    bound = guarantee.get("bound")
    if guarantee["status"] == "not claimed" or bound is None or not math.isfinite(bound):
        return "none stated"
    return "0" if bound == 0 else f"at most {number(bound)} units"


def check_command(run: dict) -> str:
    """The command that settles again on the stored score sheet, with every digit of its numbers."""
    sizes = " ".join(shlex.quote(f"--size={group['name']}={_exact(group['size'])}") for group in run["groups"])
    return f"tuneaccord settle scores.parquet --strength {_exact(run['divergence']['strength'])} {sizes}"


def _exact(value: float) -> str:
    return repr(float(value)).removesuffix(".0")

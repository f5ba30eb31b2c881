"""The sentences of a bargain's documents: curves, solutions and assumptions in words, from the bargain's plain data."""

from __future__ import annotations

from tuneaccord.reporting.formatting import MINUS, listing, number

GENERALIST = "generalist"
SOLUTIONS = {
    "Nash": ("Nash", "the largest product of everybody's gains"),
    "KalaiSmorodinsky": ("Kalai-Smorodinsky", "everybody gets the same fraction of the most it could gain"),
    "Egalitarian": ("egalitarian", "the smallest gain is as large as possible"),
    "Utilitarian": ("utilitarian", "the largest sum of gains, as if all were one firm"),
    "NashInNash": ("Nash-in-Nash", "each share is the bargain of two, the other shares given"),
    "PowerfulGeneralist": ("powerful generalist", "the generalist dictates the shares"),
    "PowerfulSpecialist": ("powerful specialist", "one specialist dictates the shares"),
    "MaxPerformance": ("maximal performance", "the largest performance, whoever earns from it"),
}
TIES = (
    "Ties: an indifferent specialist takes part and improves more, an indifferent generalist builds more; among "
    "equally good bargains the one with the larger total utility is taken, then the one with the smaller shares."
)
TIMING = (
    "The shares are agreed before anybody invests, bind everybody, and are not renegotiated afterwards. Investments "
    "are each party's own choice and cannot be written into the contract. Everybody knows all curves."
)


def solution_name(solution: dict | None) -> str:
    """A solution's plain data in a few words.

    >>> solution_name({"kind": "NashInNash", "power": 0.3}), solution_name({"kind": "Nash", "power": None})
    ('Nash-in-Nash, power 0.3', 'Nash')
    """
    if solution is None:
        return "shares as given"
    words = SOLUTIONS.get(solution["kind"], (solution["kind"], ""))[0]
    if solution.get("name"):
        return f"powerful {solution['name']}"
    power = solution.get("power")
    if power is None or (solution["kind"] == "NashInNash" and power == 0.5):
        return words
    return (
        f"{words}, power {' : '.join(f'{one:g}' for one in (power if isinstance(power, (list, tuple)) else [power]))}"
    )


def solution_meaning(solution: dict | None) -> str:
    """What a solution looks for, in half a sentence."""
    return "" if solution is None else SOLUTIONS.get(solution["kind"], ("", ""))[1]


def formula(curve: dict, variable: str = "x") -> str:
    """A curve's plain data as a formula.

    >>> formula({"kind": "Power", "scale": 2.0, "exponent": 2.0})
    '2 x^2'
    >>> formula({"kind": "Fixed", "amount": 0.1, "curve": {"kind": "Log", "scale": 1.0, "rate": 3.0}}, "a")
    '0.1 if a > 0, plus log(1 + 3 a)'
    """
    kind, x = curve["kind"], variable
    if kind in _SIMPLE:
        numbers = {key: f"{value:g}" for key, value in curve.items() if key != "kind"}
        return _SIMPLE[kind].format(x=x, **numbers).replace("^1 ", " ").removeprefix("1 ")
    if kind == "Logistic":
        scale, midpoint, width = (f"{curve[key]:g}" for key in ("scale", "midpoint", "width"))
        return f"{scale} (S(({x} {MINUS} {midpoint}) / {width}) {MINUS} S({MINUS}{midpoint} / {width}))"
    if kind == "Fixed":
        return f"{curve['amount']:g} if {x} > 0, plus {formula(curve['curve'], x)}"
    if kind == "Capped":
        return f"{formula(curve['curve'], x)} up to {x} = {curve['limit']:g}, flat beyond"
    if kind == "Level":
        return f"c(level reached) {MINUS} c(base) with c(a) = {formula(curve['curve'], 'a')}"
    if kind == "Tabulated":
        ends = f"{curve['x'][0]:g} to {curve['x'][-1]:g}"
        return f"through {len(curve['x'])} measured points, {x} from {ends}"
    return f"a curve of kind {kind}"


_SIMPLE = {
    "Power": "{scale} {x}^{exponent}",
    "Linear": "{rate} {x}",
    "Log": "{scale} log(1 + {rate} {x})",
    "Sqrt": "{scale} sqrt({x})",
    "Saturating": "{cap} (1 " + MINUS + " exp(" + MINUS + "{rate} {x}))",
}


def curves_in_words(data: dict) -> list[str]:
    """One line a party: what it pays and what it earns, as formulas."""
    game = data["game"]
    lines = [f"{GENERALIST}: a base of performance a costs {formula(game['generalist']['cost'], 'a')}"]
    for one in game["specialists"]:
        entry = f"; taking part costs {one['entry_cost']:g}" if one["entry_cost"] else ""
        lines.append(
            f"{one['name']}: an improvement by x costs {formula(one['cost'], 'x')}; "
            f"performance a earns {formula(one['revenue'], 'a')}{entry}"
        )
    if any("Logistic" in line or "S((" in line for line in lines):
        lines.append(f"S(z) = 1 / (1 + exp({MINUS}z)).")
    return lines


def outside_in_words(data: dict) -> str:
    """What everybody has without an agreement."""
    options = data["outside"]
    if not any(options.values()):
        return "Without an agreement everybody has nothing, and gains are counted from there."
    some = [f"{name} {number(amount)}" for name, amount in options.items() if amount]
    told = listing([*some[:4], *([f"{len(some) - 4} more have something"] if len(some) > 4 else [])])
    rest = ", the others nothing" if not all(options.values()) else ""
    return f"Without an agreement: {told}{rest}; gains are counted from there."


def units_in_words(data: dict) -> str:
    """The units of performance and money; nothing where the file names neither."""
    money = data["money"]
    told = [] if data["units"] == "performance" else [f"performance is in {data['units']}"]
    if money["currency"] != "units":
        told.append(f"one unit of money is {money['currency']} {money['rate']:,.10g}")
    text = "; ".join(told)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def ranges_in_words(data: dict) -> str:
    """What the ranges of uncertain numbers are of, and how many of the drawn games had to be left out."""
    found = data["uncertainty"]
    text = (
        f"Ranges: the middle 90% of {found['draws']} games drawn with uncertain {', '.join(found['parameters'])} "
        f"(seed {found['seed']})."
    )
    if found["refused"]:
        text += f" {found['refused']} more games were drawn and left out, the first because: {found['refusal']}"
    return text


def certainty(data: dict) -> list[str]:
    """What is known about the numbers: the error of the play, how the shares were searched, what is extrapolated."""
    agreement = data["agreement"]
    if agreement["error"] is None:
        play = "The investments carry no proved bound."
    else:
        error = f"{agreement['error']:.1e}" if agreement["error"] else "0"
        play = (
            f"Proved: by investing otherwise no party could gain more than {error} (in units of money) at these shares."
        )
    return [line for line in (play, agreement["search"], *data.get("extrapolation", [])) if line]


def reasons(data: dict) -> dict[str, str]:
    """Why each party does what it does, by name; the generalist's is there when the play has one."""
    told = data["agreement"]["play"]["reasons"]
    return {name: text for name, text in told.items() if text}


def headline(data: dict) -> str:
    """The result in one sentence."""
    agreement = data["agreement"]
    if agreement["status"] == "no trade":
        return "No bargain is better for anybody than its outside option: there is no trade."
    parts = [f"{100 * share:.4g}% of the {name} revenue" for name, share in list(agreement["shares"].items())[:4]]
    more = len(agreement["shares"]) - len(parts)
    told = listing([*parts, *([f"a share of {more} more"] if more else [])])
    lead = "At the given shares" if agreement["solution"] is None else f"By the {name_of(data)} solution"
    return f"{lead} the generalist gets {told}."


def name_of(data: dict) -> str:
    """The chosen solution's name."""
    return solution_name(data["agreement"]["solution"])


def money_text(amount: float | None, money: dict, signed: bool = False) -> str:
    """An amount of the curves' money in the reader's currency.

    >>> money_text(0.25, {"currency": "EUR", "rate": 1000.0}), money_text(0.25, {"currency": "units", "rate": 1.0})
    ('250.00', '0.250')
    """
    return number(None if amount is None else amount * money["rate"], signed=signed)


def spread_in_words(spread: float | list[float] | dict) -> str:
    """How uncertain a parameter is, as written in a game file.

    >>> spread_in_words(0.2), spread_in_words([0.8, 1.3])
    ('give or take 20%', '0.8 to 1.3')
    """
    if isinstance(spread, (int, float)):
        return f"give or take {100 * spread:g}%"
    if isinstance(spread, dict):
        fields = ", ".join(f"{key} {value:g}" for key, value in spread.items() if isinstance(value, (int, float)))
        return f"{spread['kind']}, {fields}"
    return f"{spread[0]:g} to {spread[1]:g}"

"""The plots of the mechanism explorer, as plain data for Plotly, and the tables that say the same."""

from __future__ import annotations

from tuneaccord.service.pages.charts import CYCLE, SYMBOLS, axis, bars, curve, figure, label, upright
from tuneaccord.service.pages.mechanism_numbers import AMOUNTS
from tuneaccord.service.pages.mechanism_state import BENDS, Scene

UNIT = "size × reward"


def policy_figure(found: dict) -> dict:
    """How often each response is given: by the base, by the chosen policy, and had the group lied."""
    labels = _responses(len(found["base"]))
    traces = [bars("base", labels, found["base"], 4), bars("chosen policy", labels, found["policy"], 0)]
    if found["scene"].lies:
        traces.append(bars("had it lied", labels, found["lied_policy"], 3))
    across = axis("response", type="category")
    return figure(traces, across, axis("probability", range=[0, 1]), barmode="group")


def groups_figure(found: dict) -> dict:
    """Every group's value, payment and utility; marks show them had the group lied."""
    labels = [label(row["name"]) for row in found["groups"]]
    traces = [
        bars(name, labels, [row[name] for row in found["groups"]], place, offsetgroup=name)
        for place, name in enumerate(AMOUNTS)
    ]
    if found["scene"].lies:
        traces += [_lied_marks(found, labels, place, name) for place, name in enumerate(AMOUNTS)]
    across = axis("group", type="category")
    return figure(traces, across, axis("amount", UNIT), barmode="group", scattermode="group")


def _lied_marks(found: dict, labels: list[str], place: int, name: str) -> dict:
    marker = {"color": CYCLE[place], "symbol": SYMBOLS[place], "size": 10, "line": {"width": 2, "color": "#ffffff"}}
    return {
        "type": "scatter", "mode": "markers", "name": f"{name}, had it lied", "x": labels, "offsetgroup": name,
        "y": [row[f"lied_{name}"] for row in found["groups"]], "marker": marker,
    }  # fmt: skip


def lie_figure(scene: Scene, found: dict, kind: str) -> dict:
    """The change of value, payment and utility along the claimed size (``"size"``) or the bend (``"bend"``)."""
    lines, at = found[kind], scene.factor if kind == "size" else scene.amount
    here = lines["at"].index(at)
    traces = [curve(name, lines["at"], lines[name], place) for place, name in enumerate(AMOUNTS)]
    traces += [
        {
            "type": "scatter", "mode": "markers", "name": f"{name}, here", "x": [at], "y": [lines[name][here]],
            "showlegend": False, "marker": {"color": CYCLE[place], "symbol": SYMBOLS[place], "size": 12},
        }
        for place, name in enumerate(AMOUNTS)
    ]  # fmt: skip
    if kind == "size":
        ticks = [0.25, 0.5, 1, 2, 4]
        across = axis("α", "claimed size / true size", type="log", tickvals=ticks, ticktext=[f"{x:g}" for x in ticks])
        truth = 1.0
    else:
        bend = BENDS[scene.bend]
        across = axis(bend.symbol, _bend_unit(scene.bend), range=[bend.low, bend.high])
        truth = bend.truth
    return figure(traces, across, axis("change against the truth", UNIT), shapes=[upright(truth)])


def _bend_unit(bend: str) -> str:
    return {"shift": "1 is the truth", "spread": "reward", "gradient": "reward"}[bend]


def groups_table(found: dict) -> tuple[list[str], list[list[object]]]:
    """Columns and rows: every group under the truth, then had the group lied."""
    columns = ["group", "size", "value of one member", "group value", "payment", "utility"]
    columns += ["group value, had it lied", "payment, had it lied", "utility, had it lied"]
    keys = ("size", "value_each", "value", "payment", "utility", "lied_value", "lied_payment", "lied_utility")
    return columns, [[row["name"], *(float(row[key]) for key in keys)] for row in found["groups"]]


def policy_table(found: dict) -> tuple[list[str], list[list[object]]]:
    """Columns and rows: every response's chances, and what the liar wants and says."""
    scene: Scene = found["scene"]
    liar = scene.groups[scene.liar]
    columns = ["response", "base", "chosen policy", "had it lied", f"reward of {liar.name}", "what it reports"]
    numbers = (found["base"], found["policy"], found["lied_policy"], liar.rewards, found["reported"])
    rows = zip(_responses(len(found["base"])), *numbers, strict=True)
    return columns, [[name, *map(float, row)] for name, *row in rows]


def lies_table(scene: Scene, found: dict, kind: str) -> tuple[list[str], list[list[object]]]:
    """Columns and rows: what each lie along one axis changes."""
    symbol = "α" if kind == "size" else BENDS[scene.bend].symbol
    columns = [symbol, *(f"change of {name}" for name in AMOUNTS)]
    lines = found[kind]
    rows = zip(lines["at"], *(lines[name] for name in AMOUNTS), strict=True)
    return columns, [[f"{at:.3g}", *map(float, row)] for at, *row in rows]


def _responses(count: int) -> list[str]:
    return [str(place + 1) for place in range(count)]

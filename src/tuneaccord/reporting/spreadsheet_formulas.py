"""Curves and best replies as formulas of a spreadsheet, for the kinds that have them."""

from __future__ import annotations

from collections.abc import Callable

#: a parameter's path below a curve ("scale", "curve.scale") to the address of its cell
Cells = Callable[[str], str]


def value_formula(curve: dict, cells: Cells, x: str, base: str | None = None) -> str | None:
    """The curve's value at the cell or expression ``x``, without "="; None for a curve through measured points.

    ``base`` is the cell of the level that an improvement starts from, for ``Level``.

    >>> value_formula({"kind": "Power", "scale": 2.0, "exponent": 2.0}, {"scale": "B1", "exponent": "B2"}.get, "C1")
    'B1*(C1)^B2'
    """
    kind = curve["kind"]
    if kind in _VALUES:
        return _VALUES[kind].format(x=f"({x})", **{key: cells(key) for key in curve if key != "kind"})
    if kind not in ("Fixed", "Capped", "Level"):
        return None
    inner = below(cells)
    if kind == "Fixed":
        rest = value_formula(curve["curve"], inner, x, base)
        return rest and f"(IF({x}>0,{cells('amount')},0)+{rest})"
    if kind == "Capped":
        return value_formula(curve["curve"], inner, f"MIN({x},{cells('limit')})", base)
    start = base or "0"
    ends = [value_formula(curve["curve"], inner, point) for point in (f"{start}+{x}", start)]
    return None if None in ends else f"({ends[0]}-{ends[1]})"


_VALUES = {
    "Power": "{scale}*{x}^{exponent}",
    "Linear": "{rate}*{x}",
    "Log": "{scale}*LN(1+{rate}*{x})",
    "Sqrt": "{scale}*SQRT({x})",
    "Saturating": "{cap}*(1-EXP(0-{rate}*{x}))",
    # by the hyperbolic tangent, for EXP overflows
    "Logistic": "{scale}*0.5*(TANH(({x}-{midpoint})/(2*{width}))+TANH({midpoint}/(2*{width})))",
}


def below(cells: Cells) -> Cells:
    """The cells of the curve inside a curve."""
    return lambda key: cells(f"curve.{key}")


def closed(game: dict) -> bool:
    """Whether all investments have formulas: power costs (perhaps with a fixed amount), linear revenues.

    With linear revenue an improvement does not depend on the base, so each investment has its own first-order
    condition, rate = exponent * scale * x ^ (exponent - 1).
    """
    costs = [game["generalist"]["cost"], *(one["cost"] for one in game["specialists"])]
    powers = [cost["curve"] if cost["kind"] == "Fixed" else cost for cost in costs]
    convex = all(cost["kind"] == "Power" and cost["exponent"] > 1 for cost in powers)
    return convex and all(one["revenue"]["kind"] == "Linear" for one in game["specialists"])


def best_investment(cost: dict, cells: Cells, rate: str) -> str:
    """The best investment at the power cost ``cost`` when every unit brings ``rate``: the first-order condition.

    >>> cost = {"kind": "Power", "scale": 1.0, "exponent": 2.0}
    >>> best_investment(cost, {"scale": "B1", "exponent": "B2"}.get, "C1")
    '((C1)/(B2*B1))^(1/(B2-1))'
    """
    if cost["kind"] == "Fixed":
        inner = below(cells)
        x = best_investment(cost["curve"], inner, rate)
        earned = f"({rate})*{x}-{value_formula(cost['curve'], inner, x)}"
        return f"IF({earned}>={cells('amount')},{x},0)"
    scale, exponent = cells("scale"), cells("exponent")
    return f"(({rate})/({exponent}*{scale}))^(1/({exponent}-1))"

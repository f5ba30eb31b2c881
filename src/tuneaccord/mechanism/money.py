"""Money, rounded in one place: cents that add up to the rounded total."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext

from tuneaccord.errors import InputError

CENT = Decimal("0.01")
_EXACT = 2000  # digits: no sum of products of two float64 numbers needs more


def in_cents(amounts: Mapping[str, float], rate: float = 1.0) -> dict[str, Decimal]:
    """``amounts`` times ``rate`` as money, rounded so that the sum is the rounded sum.

    The total is rounded to the nearest cent (half a cent to the even one); each amount is rounded down and
    the missing cents go to the largest remainders (ties: in the order given), so no cent appears or
    disappears. Every amount moves by less than a cent, and whole cents stay what they are.

    Raises :class:`InputError` on an amount or a rate that is not finite.

    >>> {name: str(money) for name, money in in_cents({"a": 0.005, "b": 0.005}).items()}
    {'a': '0.01', 'b': '0.00'}
    """
    with localcontext(prec=_EXACT):
        exact = {name: _decimal(name, amount) * _decimal("the rate", rate) for name, amount in amounts.items()}
        total = sum(exact.values(), Decimal(0)).quantize(CENT, ROUND_HALF_EVEN)
        rounded = {name: amount.quantize(CENT, ROUND_FLOOR) for name, amount in exact.items()}
        missing = int((total - sum(rounded.values(), Decimal(0))) / CENT)
        by_remainder = sorted(exact, key=lambda name: rounded[name] - exact[name])
        for name in by_remainder[:missing]:
            rounded[name] += CENT
    return rounded


def _decimal(name: str, number: float) -> Decimal:
    if not math.isfinite(number):
        raise InputError(f"cannot turn {name} = {number} into money. Give a finite number.")
    return Decimal(repr(float(number)))


def invoices_csv(
    sizes: Mapping[str, float],
    values: Mapping[str, float],
    payments: Mapping[str, float],
    currency: str,
    rate: float,
) -> str:
    """One line a group and a total, as CSV: the payment in units of reward and in money.

    >>> print(invoices_csv({"a": 1}, {"a": 0.5}, {"a": 0.125}, "EUR", 100.0), end="")
    group,size,value_per_member,payment,rate,amount,currency
    a,1,0.5,0.125,100.0,12.50,EUR
    total,,,0.125,100.0,12.50,EUR
    """
    money = in_cents(payments, rate)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["group", "size", "value_per_member", "payment", "rate", "amount", "currency"])
    for name in payments:
        size = int(sizes[name]) if float(sizes[name]).is_integer() else sizes[name]
        writer.writerow([name, size, values[name], payments[name], rate, money[name], currency])
    with localcontext(prec=_EXACT):
        total = sum(money.values(), Decimal("0.00"))
    paid = math.fsum(payments.values())
    if abs(paid) <= 1e-12 * math.fsum(map(abs, payments.values())):  # a balanced budget, up to rounding
        paid = 0.0
    writer.writerow(["total", "", "", paid, rate, total, currency])
    return table.getvalue()

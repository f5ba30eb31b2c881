"""Cents add up, whatever the amounts."""

import csv
import io
import math
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneaccord import InputError
from tuneaccord.mechanism.money import CENT, in_cents, invoices_csv

AMOUNTS = st.dictionaries(st.text(), st.floats(-1e12, 1e12) | st.sampled_from([0.005, 0.015, -0.005]), max_size=8)
RATES = st.sampled_from([1.0, 0.0, 100.0, 1e-9, 1e300, -2.5]) | st.floats(1e-6, 1e6)


def exactly(number):
    """The number as its shortest decimal spelling says, which is what a reader of the result would use."""
    return Fraction(repr(float(number)))


@given(AMOUNTS, RATES)
def test_the_cents_sum_to_the_rounded_total_and_none_moves_by_a_cent(amounts, rate):
    money = in_cents(amounts, rate)
    exact = {name: exactly(amount) * exactly(rate) for name, amount in amounts.items()}
    cents = {name: Fraction(amount) * 100 for name, amount in money.items()}
    assert list(money) == list(amounts)
    assert sum(cents.values()) == round(sum(exact.values()) * 100)  # both round half to even
    for name, amount in exact.items():
        assert cents[name].denominator == 1
        assert abs(cents[name] - amount * 100) < 1
        assert money[name].as_tuple().exponent == -2
        if (amount * 100).denominator == 1:
            assert cents[name] == amount * 100


@pytest.mark.parametrize(
    ("amounts", "rate", "expected"),
    [
        ({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, 1.0, ["0.34", "0.33", "0.33"]),
        ({"a": -1 / 3, "b": -1 / 3, "c": -1 / 3}, 1.0, ["-0.33", "-0.33", "-0.34"]),
        ({"a": 0.125}, 1.0, ["0.12"]),
        ({"a": 0.135}, 1.0, ["0.14"]),
        ({"a": 2.0, "b": 0.1}, 1e30, ["2" + "0" * 30 + ".00", "1" + "0" * 29 + ".00"]),
        ({"a": 1e308, "b": 1e-308}, 1e308, ["1" + "0" * 616 + ".00", "1.00"]),
        ({}, 1.0, []),
    ],
)
def test_cents_by_hand(amounts, rate, expected):
    assert [str(money) for money in in_cents(amounts, rate).values()] == expected


@pytest.mark.parametrize(("amounts", "rate"), [({"a": math.nan}, 1.0), ({"a": 1.0}, math.inf)])
def test_what_is_not_finite_is_refused(amounts, rate):
    with pytest.raises(InputError, match=r"cannot turn (a = nan|the rate = inf) into money. Give a finite number."):
        in_cents(amounts, rate)


# a lone carriage return is left bare by Python 3.11's csv writer, and ends a line for its reader
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r"))


@given(
    st.dictionaries(NAMES, st.floats(0, 1e6), min_size=1, max_size=4),
    st.floats(0.01, 1e6),
)
def test_invoices_are_read_back_by_any_csv_reader(payments, rate):
    sizes, values = dict.fromkeys(payments, 2.0), dict.fromkeys(payments, 0.1)
    rows = list(csv.DictReader(io.StringIO(invoices_csv(sizes, values, payments, "EUR", rate), newline="")))
    *groups, total = rows
    assert [row["group"] for row in groups] == list(payments)
    assert [float(row["payment"]) for row in groups] == list(payments.values())
    assert sum(Decimal(row["amount"]) for row in groups) == Decimal(total["amount"])
    exact = sum(exactly(payment) for payment in payments.values()) * exactly(rate)
    assert Fraction(total["amount"]) * 100 == round(exact * 100)
    assert {row["currency"] for row in rows} == {"EUR"}


def test_names_with_commas_and_quotes_stay_one_field():
    name = 'Smith, "Jones"\n& Sons'
    text = invoices_csv({name: 1.5}, {name: 0.5}, {name: 0.25}, "USD", 10.0)
    assert text.startswith("group,size,value_per_member,payment,rate,amount,currency\n")
    first, total = csv.DictReader(io.StringIO(text))
    assert first == {
        "group": name,
        "size": "1.5",
        "value_per_member": "0.5",
        "payment": "0.25",
        "rate": "10.0",
        "amount": "2.50",
        "currency": "USD",
    }
    assert (total["group"], total["size"], total["amount"]) == ("total", "", "2.50")


def test_a_cent_is_a_hundredth():
    assert Decimal("0.999").quantize(CENT, ROUND_HALF_EVEN) == 1

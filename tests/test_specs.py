"""Every parameter object of the public list to plain data and back, and what a misspelling is told."""

import dataclasses
import json

import pytest

import tuneaccord as ta
from tuneaccord.specs import from_data, to_data

SPECS = [
    ta.KL(0.5),
    ta.Welfare(),
    ta.Externality(),
    ta.Free(),
    ta.Bargained(ta.Nash((1.0, 2.0))),
    ta.Bargained(ta.KalaiSmorodinsky()),
    ta.BalancedBudget((3.0, 2.0)),
    ta.CostShare("size", bill=2.0),
    ta.Fee("sum", 0.5, 0.3),
    ta.Redistribution(3.0),
    ta.Shapley(samples=100, seed=1),
    ta.SizeMisreport(2.0),
    ta.Guarantee("truthful", "exact", "No misreport pays.", 0.0),
    ta.Interval(1.0, 0.5, 1.5, 0.95),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_survives_json(spec):
    assert from_data(json.loads(json.dumps(to_data(spec)))) == spec


def test_a_spec_inside_a_spec_is_read_by_name():
    assert to_data(ta.Bargained()) == {"kind": "Bargained", "solution": {"kind": "Nash", "power": None}}
    with pytest.raises(ta.InputError, match=r"unknown kind 'Egalitarin'. Did you mean 'Egalitarian'\?"):
        from_data({"kind": "Bargained", "solution": {"kind": "Egalitarin"}})
    with pytest.raises(ta.InputError, match="solution must be a bargaining solution"):
        from_data({"kind": "Bargained", "solution": {"kind": "Free"}})


def test_every_rule_of_the_public_list_can_be_read():
    for name in ta.__all__:
        cls = getattr(ta, name)
        is_rule = isinstance(cls, type) and issubclass(cls, ta.TrainingRule | ta.PaymentRule)
        if is_rule and dataclasses.is_dataclass(cls):
            needed = {  # public bounds have no default
                field.name: 3.0
                for field in dataclasses.fields(cls)
                if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            }
            assert from_data({"kind": name, **needed}) == cls(**needed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "Simplx"}, r"unknown kind 'Simplx'. Did you mean 'Simplex'\?"),
        ({"kind": "Nonsense"}, "unknown kind 'Nonsense'. Valid names: .*Free, "),
        ({"kind": ["KL"]}, r"unknown kind \['KL'\]. "),
        ({"kind": None}, "unknown kind None. "),
        ({"kind": "KL", "strenght": 1}, r"KL has no field 'strenght'. Did you mean 'strength'\?"),
        ({"kind": "KL"}, "KL needs strength; got nothing."),
        ({"kind": "KL", "strength": "big"}, "strength must be a number, got 'big'"),
        ({"kind": "settle"}, "unknown kind 'settle'"),
        ({"strength": 1}, "expected a mapping with a 'kind', such as {kind: KL, strength: 0.5}, got {'strength': 1}"),
        ("KL", "expected a mapping with a 'kind', .* got 'KL'"),
        (None, "expected a mapping with a 'kind', .* got None"),
    ],
    ids=str,
)
def test_a_misspelling_gets_the_nearest_name(data, message):
    with pytest.raises(ta.InputError, match=message):
        from_data(data)


def test_the_expected_interface_narrows_the_choice():
    with pytest.raises(ta.InputError, match=r"unknown kind 'KL'. Valid names: .*Externality, .*Free"):
        from_data({"kind": "KL", "strength": 1.0}, ta.PaymentRule)


def test_a_name_alone_is_enough_where_one_interface_is_expected():
    assert from_data("Free", ta.PaymentRule) == ta.Free()
    with pytest.raises(ta.InputError, match=r"unknown kind 'Fre'. Did you mean 'Free'\?"):
        from_data("Fre", ta.PaymentRule)

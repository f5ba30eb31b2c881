import re
import sys
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from settled_runs import make_run

from tuneaccord.reporting.figures import _spread, misreport_figure, payments_figure, values_figure
from tuneaccord.reporting.svg import COLOURS, inline

DRAWN = [misreport_figure, payments_figure, values_figure]
AXES = {
    misreport_figure: [
        "reported size ÷ true size (factor α, log scale)",
        "reward shift β (no unit; 1 is the truth)",
        "change against truth",
        "(units of size × reward)",
    ],
    payments_figure: ["payment and utility", "(units of size × reward)", "group (name)"],
    values_figure: ["value of one member on held-out prompts", "(units of the group's own reward)", "group (name)"],
}


def texts(svg):
    return [node.text for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")]


@pytest.mark.slow
@pytest.mark.parametrize("figure", DRAWN)
def test_every_axis_has_a_name_and_a_unit(run, figure):
    found = texts(figure(run))
    assert set(AXES[figure]) <= set(found)


@pytest.mark.slow
@pytest.mark.parametrize("figure", DRAWN)
def test_the_same_bytes_every_time_and_no_date(run, figure):
    assert figure(run) == figure(run)
    assert "<metadata" not in figure(run)


@pytest.mark.slow
@pytest.mark.parametrize("figure", DRAWN)
@pytest.mark.parametrize("groups", [1, 8])
def test_all_groups_are_drawn(figure, groups):
    run = make_run(groups)
    found = " ".join(texts(figure(run)))
    assert all(group["name"] in found for group in run["groups"])


@pytest.mark.parametrize("figure", DRAWN)
def test_colours_are_midtones_alone_and_the_pages_own_inside_it(run, figure):
    svg = figure(run)
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= set(COLOURS.values())
    assert not re.search(r"(fill|stroke): #[0-9a-f]{6}", inline(svg))


@pytest.mark.parametrize("figure", DRAWN)
def test_a_title_and_a_description_are_read_out(run, figure):
    root = ElementTree.fromstring(figure(run))
    title, description = (root[i].text for i in (0, 1))
    assert title
    assert "marketing" in description


def test_curves_are_labelled_where_they_end_and_truth_is_marked(run):
    found = texts(misreport_figure(run, ["legal"], ["size"]))
    assert {"value", "payment", "utility", "truth", "legal: false size"} <= set(found)


def test_the_truth_is_a_tick_of_the_size_axis(run):
    assert {"0.25", "0.5", "1", "2", "4"} <= set(texts(misreport_figure(run, ["legal"], ["size"])))


def test_labels_never_overlap():
    places = _spread({"a": 0.5, "b": 0.5, "c": 0.51}, gap=0.1)
    assert list(places) == ["a", "b", "c"]
    ordered = list(places.values())
    assert min(b - a for a, b in pairwise(ordered)) >= 0.1 - 1e-3


def test_drawing_leaves_the_callers_settings_and_pyplot_alone(run):
    import matplotlib

    matplotlib.rcParams["font.size"] = 17
    try:
        payments_figure(run)
        assert matplotlib.rcParams["font.size"] == 17
    finally:
        matplotlib.rcParams["font.size"] = 10
    assert "matplotlib.pyplot" not in sys.modules


def test_a_users_settings_do_not_change_a_figure(run):
    import matplotlib

    usual = payments_figure(run)
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "svg.fonttype": "path"}):
        assert payments_figure(run) == usual

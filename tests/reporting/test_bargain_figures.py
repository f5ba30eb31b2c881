"""The figures of a bargain: valid, in colours of the page, with words for those who cannot see them."""

from __future__ import annotations

import functools
import html
import re
import xml.etree.ElementTree as ET

import matplotlib.colors
import pytest
from bargain_runs import given, one

import tuneaccord as ta
from tuneaccord.bargaining.plays import REGIMES
from tuneaccord.reporting.bargain_figures import REGIME_COLOURS
from tuneaccord.reporting.bargain_maps import map_picture, moves, ranked
from tuneaccord.reporting.bargain_report import bargain_pictures
from tuneaccord.reporting.pictures import grouped, spread
from tuneaccord.reporting.svg import COLOURS

NAMES = ["shares", "pareto", "solutions", "map", "tornado", "intervals"]


@functools.cache
def pictures(which):
    return bargain_pictures(which())


@pytest.mark.parametrize(
    ("which", "name"),
    [(given, "shares"), *(pytest.param(one, name, marks=pytest.mark.slow) for name in NAMES)],
)
def test_a_figure_is_valid_and_told_in_words(which, name):
    picture = pictures(which)[name]
    svg = picture.svg(name)
    ET.fromstring(svg)
    assert f'id="{name}-desc">{html.escape(picture.description[:12])}' in svg
    colours = set(re.findall(r"#[0-9a-f]{6}", svg))
    assert colours <= set(COLOURS.values()) | {"#000000"}, "a colour that the page cannot change"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_same_figure_gives_the_same_bytes(name):
    picture = pictures(one)[name]
    assert picture.svg(name) == picture.svg(name)


@pytest.mark.slow
def test_a_picture_is_a_png_too():
    assert pictures(one)["solutions"].png().startswith(b"\x89PNG")


def test_the_frontier_plots_itself():
    data = one()
    figure = ta.FineTuningGame.from_dict(data["game"]).frontier().plot()
    panel = figure.axes[0]
    (line,) = panel.get_lines()
    x, y = line.get_data()
    assert x.max() == pytest.approx(0.25)  # powerful generalist
    assert y.max() == pytest.approx(1 / 6)  # powerful specialist
    assert "generalist" in panel.get_xlabel()


def test_the_map_covers_every_cell_once():
    found = {
        "parameters": ["a", "b"],
        "values": [[0.0, 1.0, 2.0], [0.0, 1.0]],
        "regimes": {"d": [["abstains", "contributes"], ["contributes", "contributes"], ["free-rides", "abstains"]]},
    }
    figure = map_picture(found).figure()
    areas = 0.0
    for patch in figure.axes[0].patches:
        corners = patch.get_path().vertices.reshape(-1, 5, 2)
        areas += sum(abs((box[2, 0] - box[0, 0]) * (box[2, 1] - box[0, 1])) for box in corners)
    assert areas == pytest.approx(6.0)
    assert {text.get_text() for text in figure.axes[0].texts} == {"abstains", "contributes", "free-rides"}
    assert map_picture(found).description == "d: contributes in 3 of 6, free-rides in 1 of 6, abstains in 2 of 6."


def test_a_regime_map_plots_itself():
    """The colour under a point is that of the regime there, in whatever order the values were given."""
    specialist = ta.Specialist("medical", ta.Linear(0.5), ta.Linear(0.4), entry_cost=0.05)
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [specialist])
    shares, entries = [1.0, 0.0, 0.5], [0.1, 0.0, 0.01]
    found = ta.regime_map(game, {"share.medical": shares, "medical.entry_cost": entries})
    (panel,) = found.plot().axes
    assert [text.get_text() for text in panel.figure.texts] == ["share.medical", "medical.entry_cost"]
    codes = found.regimes["medical"]
    assert {*codes.ravel()} == {0, 1}
    colours = {REGIMES[code]: matplotlib.colors.to_rgb(REGIME_COLOURS[REGIMES[code]]) for code in (0, 1)}
    for i, share in enumerate(shares):
        for j, entry in enumerate(entries):
            (patch,) = [p for p in panel.patches if p.get_path().contains_point((share - 1e-4, entry + 1e-4))]
            assert patch.get_facecolor()[:3] == pytest.approx(colours[REGIMES[codes[i, j]]])


def test_a_regime_map_of_one_parameter_plots_as_a_band():
    specialists = [ta.Specialist(name, ta.Linear(0.5), ta.Linear(0.4)) for name in ("medical", "legal")]
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), specialists)
    found = ta.regime_map(game, {"legal.entry_cost": [0.0, 0.05, 0.1]}, shares={"medical": 0.5, "legal": 0.5})
    panels = found.plot().axes
    assert [panel.get_title() for panel in panels] == ["medical", "legal"]
    assert [{text.get_text() for text in panel.texts} for panel in panels] == [
        {REGIMES[code] for code in found.regimes[name]} for name in ("medical", "legal")
    ]
    assert panels[1].get_xlim() == pytest.approx((-0.025, 0.125))


def test_the_tornado_is_sorted_and_leaves_out_what_does_nothing():
    found = one()["sensitivity"]
    sizes = [max(abs(m) for m in moves(e, "share.medical") if m is not None) for e in ranked(found, "share.medical")]
    assert sizes == pytest.approx(sorted(sizes, reverse=True), rel=1e-4)
    assert len(sizes) < len(found["effects"])


def test_labels_are_kept_apart_and_equal_ones_joined():
    places = spread([0.5, 0.5, 0.51, 0.9], 0.1)
    assert min(b - a for a, b in zip(sorted(places), sorted(places)[1:], strict=False)) >= 0.1 - 1e-6
    assert grouped(["a", "b"], [(0.5, 1.0), (0.5, 2.0)], 0.01) == [("a", (0.5, 1.0)), ("b", (0.5, 2.0))]

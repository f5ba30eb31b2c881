"""The Pareto set with several specialists, and who subsidises whom."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tuneaccord as ta
from tuneaccord.bargaining.frontier import undominated
from tuneaccord.bargaining.several.mesh import Mesh


def game_of(costs, rates, generalist=1.0):
    domains = [
        ta.Specialist(f"d{i}", ta.Power(c, 2), ta.Linear(b)) for i, (c, b) in enumerate(zip(costs, rates, strict=True))
    ]
    return ta.FineTuningGame(ta.Generalist(ta.Power(generalist, 2)), domains)


def utilities(costs, rates, generalist, shares):
    """From the definition, at many vectors of shares."""
    base = shares @ rates / (2 * generalist)
    improvement = (1 - shares) * rates / (2 * costs)
    revenue = rates * (base[:, None] + improvement)
    own = (1 - shares) * revenue - costs * improvement**2
    return np.column_stack([(shares * revenue).sum(axis=1) - generalist * base**2, own])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 10**6), st.booleans())
def test_undominated_is_what_comparing_all_pairs_says(players, points, seed, whole):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 4, size=(points, players)).astype(float) if whole else rng.normal(size=(points, players))
    pairs = [not ((rows >= row).all(axis=1) & (rows > row).any(axis=1)).any() for row in rows]
    assert undominated(rows).tolist() == pairs


def test_the_set_of_a_quadratic_game_is_where_slopes_can_be_balanced():
    costs, rates = np.array([1.0, 1.5]), np.array([1.0, 0.7])
    front = game_of(costs, rates).frontier()
    points = np.array([list(one["shares"].values()) for one in front.points])
    values = utilities(costs, rates, 1.0, points)
    assert np.array([list(one["utilities"].values()) for one in front.points]) == pytest.approx(values, abs=1e-12)
    # nothing on a much finer grid beats a point of the set by more than rounding
    grid = np.linspace(0, 1, 201)
    every = utilities(costs, rates, 1.0, np.array(np.meshgrid(grid, grid)).reshape(2, -1).T)
    margins = [(every - row).min(axis=1).max() for row in values]
    assert max(margins) <= 1e-12
    # and every grid point that nothing on the grid beats clearly is within a cell of the set
    sample = np.random.default_rng(0).choice(len(every), 300, replace=False)
    shares = np.array(np.meshgrid(grid, grid)).reshape(2, -1).T[sample]
    alone = [i for i in range(300) if (every - every[sample[i]]).min(axis=1).max() <= 0]
    assert len(alone) > 20
    near = np.abs(shares[alone][:, None, :] - points[None, :, :]).max(axis=-1).min(axis=1)
    assert near.max() <= front.resolution


def test_what_solutions_pick_is_near_the_set():
    costs, rates = [1.0, 2.0], [1.0, 1.2]
    game = game_of(costs, rates)
    front = game.frontier()
    points = np.array([list(one["shares"].values()) for one in front.points])
    for rule in (ta.Nash(), ta.Egalitarian(), ta.KalaiSmorodinsky(), ta.Utilitarian(), ta.PowerfulGeneralist()):
        picked = np.array(list(game.bargain(rule).shares.values()))
        assert np.abs(points - picked).max(axis=1).min() <= front.resolution
    assert len(front.pieces) == 1
    assert sorted(front.pieces[0].points) == list(range(len(points)))
    assert "nothing is proved" in front.method


def test_pieces_are_found_not_assumed():
    mesh = Mesh(2, 8)
    far = np.abs(mesh.shares - 0.5).max(axis=1) > 0.3  # a ring, then two ends of it
    assert len(mesh.connected(far)) == 1
    ends = far & (np.abs(mesh.shares[:, 0] - 0.5) > 0.3)
    pieces = mesh.connected(ends)
    assert len(pieces) == 2
    assert sum(len(one) for one in pieces) == ends.sum()


def test_halving_keeps_old_corners_and_connections_across_sizes():
    mesh = Mesh(2, 2)
    before = mesh.shares
    mesh.halve(np.zeros(4, bool))
    assert len(mesh.shares) == 9
    mesh.halve(np.array([True, False, False, False]))
    after = mesh.shares
    assert (after[: len(before)] == before).all()
    assert len(after) == 9 + 5
    assert len(mesh.connected(np.ones(len(after), bool))) == 1


@pytest.mark.slow
def test_three_specialists_on_a_mesh():
    costs, rates = np.array([1.0, 1.5, 3.0]), np.array([1.0, 0.7, 1.1])
    front = game_of(costs, rates).frontier()
    points = np.array([list(one["shares"].values()) for one in front.points])
    values = utilities(costs, rates, 1.0, points)
    grid = np.linspace(0, 1, 31)
    every = utilities(costs, rates, 1.0, np.array(np.meshgrid(grid, grid, grid)).reshape(3, -1).T)
    assert max((every - row).min(axis=1).max() for row in values) <= 1e-12
    assert len(front.pieces) == 1


@pytest.mark.slow
def test_four_specialists_by_scalarisation():
    costs, rates = np.array([1.0, 1.5, 3.0, 2.0]), np.array([1.0, 0.7, 1.1, 0.9])
    front = game_of(costs, rates).frontier()
    points = np.array([list(one["shares"].values()) for one in front.points])
    values = utilities(costs, rates, 1.0, points)
    assert len(points) >= 60
    assert undominated(np.round(values, 11)).all()
    rng = np.random.default_rng(1)
    every = utilities(costs, rates, 1.0, rng.uniform(size=(100_000, 4)))
    assert max((every - row).min(axis=1).max() for row in values) <= 1e-12
    assert "epsilon" in front.method


def test_an_entry_cost_leaves_out_what_the_generalist_would_walk_away_from():
    game = ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, 2), outside=0.3),
        [ta.Specialist(f"d{i}", ta.Power(1.0, 2), ta.Linear(1.0)) for i in range(2)],
    )
    front = game.frontier()
    assert min(one["utilities"]["generalist"] for one in front.points) >= 0.3 - 1e-12
    assert not any(all(share == 0 for share in one["shares"].values()) for one in front.points)


def test_subsidies_of_a_quadratic_game_are_the_closed_form():
    costs, rates = np.array([1.0, 1.5, 4.0]), np.array([1.0, 0.7, 2.0])
    game = game_of(costs, rates, generalist=1.3)
    shares = {"d0": 0.2, "d1": 0.5, "d2": 0.9}
    table = ta.subsidies(game, shares)
    # 2 s b_i b_j (1 - share_i) with s = 1 / (4 c0)
    for i, one in enumerate(game.names):
        for j, other in enumerate(game.names):
            if i != j:
                expected = rates[i] * rates[j] * (1 - shares[one]) / (2 * 1.3)
                assert table[one][other] == pytest.approx(expected, rel=1e-8)
        assert table[one][one] < table[one]["d0" if one != "d0" else "d1"]


def test_subsidies_next_to_free_riding_by_differences():
    # d0 has nothing to gain from improving: it free-rides on what d1's share pays for
    game = ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, 2)),
        [ta.Specialist("d0", ta.Linear(5.0), ta.Linear(1.0)), ta.Specialist("d1", ta.Power(1.0, 2), ta.Linear(1.0))],
    )
    shares = {"d0": 0.25, "d1": 0.5}
    assert game.play(shares).regimes["d0"] == "free-rides"
    assert ta.subsidies(game, shares)["d0"]["d1"] == pytest.approx(0.75 / 2, rel=1e-7)


def test_subsidies_refuse_shares_that_do_not_fit():
    game = game_of([1.0, 1.0], [1.0, 1.0])
    with pytest.raises(ta.errors.InputError, match="no specialist 'd3'"):
        ta.subsidies(game, {"d3": 0.5})

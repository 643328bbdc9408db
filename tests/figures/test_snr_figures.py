import numpy as np
import pytest

from figures import (
    formats_blocks,
    formats_rotation,
    hardware_roofline,
    snr_gaussian,
    snr_scale,
    snr_stored_bits,
    snr_student,
    storage_break_even,
    weights_allocation,
    weights_scatter,
)


@pytest.fixture(scope="module")
def tables():
    modules = (
        formats_blocks,
        formats_rotation,
        hardware_roofline,
        snr_gaussian,
        snr_scale,
        snr_student,
        snr_stored_bits,
        storage_break_even,
        weights_scatter,
    )
    return {module: module.data() for module in modules}


def test_tables_are_tidy_and_draw(tables, fits_a_page):
    for module, table in tables.items():
        assert len({len(column) for column in table.values()}) == 1
        assert module.TITLE and module.CAPTION
        fits_a_page(module, table)


def test_gaussian_panel_shows_the_printed_point(tables):
    table = tables[snr_gaussian]
    chosen = (table["panel"] == "snr") & (table["series"] == "pruned") & (table["x"] == 4)
    assert table["y"][chosen] == pytest.approx(5.5847, abs=1e-4)


def test_the_kurtosis_map_changes_sign_at_the_crossovers(tables):
    table = tables[snr_student]
    for bits in range(2, 9):
        here = table["bits"] == bits
        quantized, pruned = (here & (table["kind"] == kind) for kind in ("quantization", "pruning"))
        margin = table["snr"][quantized] - table["snr"][pruned]
        crossing = table["kurtosis"][here & (table["kind"] == "crossover") & (table["df"] == 2)]
        kurtosis = table["kurtosis"][quantized]
        assert np.all(margin[kurtosis < crossing[0] * 0.999] > 0)
        assert np.all(margin[kurtosis > crossing[0] * 1.001] < 0)


def test_no_point_lies_above_the_shannon_bound(tables):
    table = tables[snr_stored_bits]
    for law in np.unique(table["law"]):
        here = table["law"] == law
        bound = table["snr"][here & (table["name"] == "Shannon")]
        limit = np.interp(table["stored_bits"][here], (1.0, 9.5), bound)
        assert np.all(table["snr"][here] <= limit + 1e-9)


def test_a_users_file_can_be_drawn(tmp_path):
    np.savez(tmp_path / "mine.npz", w=np.random.default_rng(0).normal(size=(40, 40)))
    table = weights_scatter.data_of(tmp_path / "mine.npz")
    assert set(table["network"]) == {"mine.npz"} and weights_scatter.draw(table).axes


def test_the_authors_tensors_stand_behind_ours(tables):
    table = tables[weights_scatter]
    theirs = table["network"] == weights_scatter.RELEASED
    # 2,704 tensors, without 12 infinite and 139 impossible kurtoses, at 2, 4 and 8 bits
    assert theirs.sum() == 3 * (2704 - 12 - 139)
    assert (table["kurtosis"][theirs] >= 1).all() and not (table["size"][theirs]).any()
    row = theirs & (table["tensor"] == "alexnet/features.3") & (table["bits"] == 4)
    assert table["quantization_snr"][row] == pytest.approx([11.65], abs=1e-6)
    assert table["kurtosis"][row] == pytest.approx([43.953], abs=1e-5)


def test_tensors_without_finite_ratios_are_said_to_be_none(tmp_path):
    np.savez(tmp_path / "mine.npz", constant=np.full((20, 20), 0.5))
    axes = weights_scatter.draw(weights_scatter.data_of(tmp_path / "mine.npz")).axes[0]
    assert axes.texts[0].get_text() == "no tensor with finite ratios"


def test_the_gaussian_title_says_what_its_width_keeps():
    from figures import build

    four, two = build.build("snr_gaussian"), build.build("snr_gaussian", chosen={"bits": 2})
    assert four.title == "Gaussian weights: 4-bit quantization keeps 13.7 dB more than 75 % pruning"
    # 8.2556 - 3.0307 dB, the closed forms at two bits
    assert two.title == "Gaussian weights: 2-bit quantization keeps 5.2 dB more than 87.5 % pruning"
    assert "each of the 4 levels" in two.caption


def test_crossovers_and_shading_belong_to_the_degrees_of_freedom_asked_for():
    table = snr_student.data(df=4, other_df=2.5, bits=(2, 3))
    crossings = {kind: table["kurtosis"][table["kind"] == kind] for kind in ("crossover", "other crossover")}
    assert set(table["df"]) == {4.0, 2.5}
    margin = {}
    for bits in (2, 3):
        here = table["bits"] == bits
        quantized, pruned = (
            table["snr"][here & (table["kind"] == kind)] for kind in ("quantization", "pruning")
        )
        margin[bits] = quantized - pruned
    # four degrees of freedom: quantization wins at every truncation, so there is nothing to cross
    assert crossings["crossover"].size == 0 and min(margin[2].min(), margin[3].min()) > 0
    assert crossings["other crossover"].size == 2
    figure = snr_student.draw(table)
    assert "pruning\nbetter" not in [text.get_text() for text in figure.axes[2].texts]


def test_allocation_without_the_zoo_uses_what_ships(monkeypatch):
    monkeypatch.setattr(weights_allocation, "zoo_checkpoint", lambda: None)
    monkeypatch.setattr(weights_allocation, "BUDGETS", np.array([2.25, 4.0, 8.0]))
    table = weights_allocation.data()
    assert weights_allocation.draw(table).axes and weights_allocation.TITLE and weights_allocation.CAPTION
    per_tensor, limit = (table["y"][table["name"] == name] for name in ("per tensor", "limit"))
    assert np.all(per_tensor < limit)


def test_a_network_of_ones_own_is_drawn_with_its_outstanding_tensors_named(tmp_path):
    from sims import weights

    rng = np.random.default_rng(0)
    arrays = {f"layers.{i}.$w$": rng.normal(size=(20, 20)) for i in range(6)}
    arrays |= {
        "heavy": rng.standard_t(1.0, size=(40, 40)),
        "grid": rng.integers(-8, 8, size=(20, 20)).astype(float),
    }
    figure = weights_scatter.picture(weights.analyse(arrays, [2, 4]), "net_$x$")
    key = figure.get_supxlabel().splitlines()
    assert key[0] == "1  heavy" and any("layers." in line for line in key)
    assert key[-1] == "not shown, as one method loses nothing: 1"
    weights_scatter.save_picture(weights.analyse({"grid": arrays["grid"]}, [4]), "one", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"

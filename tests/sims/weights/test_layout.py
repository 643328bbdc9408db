"""The printed table: hundreds of tensors in a hundred columns, in the order asked for, names as text."""

import csv
import dataclasses
import io
import itertools
import json
import re

import numpy as np
import pytest

from sims import weights
from sims.support.output import csv_text, print_table
from sims.weights import layout, results, table

PARTS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj")


@pytest.fixture(scope="module")
def deep():
    """Forty blocks of four matrices, of which one kind has heavy tails, and a head."""
    rng = np.random.default_rng(0)
    arrays = {}
    for i in range(40):
        for part in PARTS:
            draw = rng.standard_t(2.2, size=(16, 24)) if "down" in part else rng.normal(size=(16, 24))
            arrays[f"model.layers.{i}.{part}.weight"] = draw * (1 + i / 40)
    arrays["lm_head.weight"] = 3 * rng.normal(size=(64, 24))
    return weights.analyse(arrays, [2, 4, 8])


def printed(capsys, table, **options):
    print_table(layout.lines(table, **options), title=layout.title(table))
    return capsys.readouterr().out.splitlines()


def test_repeated_blocks_stand_on_one_line_of_a_hundred_columns(deep, capsys):
    lines = printed(capsys, deep)
    assert len(lines) == 2 + 5 + 1 and max(map(len, lines)) <= 100
    cells = {line["tensor"]: line for line in layout.lines(deep, width=200)}
    row = cells["model.layers.*.mlp.down_proj"]
    values = sorted(one.quantization[4] for one in deep.rows if "down_proj" in one.name)
    expected = "/".join(f"{value:.1f}" for value in (values[0], (values[19] + values[20]) / 2, values[-1]))
    assert row["4 bits"] == expected and row[""] == "40"
    errors = {
        one.name: 4.0**one.signal.exponent * one.signal.mantissa * 10 ** (-one.quantization[4] / 10)
        for one in deep.rows
    }
    share = sum(error for name, error in errors.items() if "down_proj" in name) / sum(errors.values())
    assert row["error"] == f"{100 * share:.2g} %"
    wins = sum(one.winner(4) == "snap" for one in deep.rows if "down_proj" in one.name)
    assert row["verdict"] in (f"{wins} snap, {40 - wins} cut", "snap 2-8", "snap")
    assert cells["network, errors summed"]["4 bits"] == f"{deep.middle().quantization:.1f}"


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_width_of_the_terminal_is_kept_where_numbers_allow(deep, width, capsys):
    assert max(map(len, printed(capsys, deep, width=width)[1:])) <= max(
        width, 95
    )  # below that the numbers alone are wider


def test_orders(deep):
    def order(sort):
        return [line["tensor"] for line in layout.lines(deep, sort, 200)[:-1]]

    kurtosis: dict[str, float] = {}
    margin: dict[str, float] = {}
    for row in deep.rows:
        kind = re.sub(r"\d+", "*", row.name).removesuffix(".weight")
        kurtosis[kind] = max(kurtosis.get(kind, 0.0), row.kurtosis)
        margin[kind] = min(margin.get(kind, np.inf), row.quantization[4] - row.pruning[4])
    assert order("kurtosis") == sorted(kurtosis, key=lambda kind: -kurtosis[kind])
    assert order("margin") == sorted(margin, key=margin.__getitem__)
    assert order("kurtosis")[0] == order("margin")[0] == "model.layers.*.mlp.down_proj"
    errors = [float(line["error"].split()[0]) for line in layout.lines(deep, "error")[:-1]]
    assert errors == sorted(errors, reverse=True) and sum(errors) == pytest.approx(100, abs=2)
    assert order(None)[0] == "model.layers.*.self_attn.q_proj"
    with pytest.raises(ValueError, match="sort"):
        layout.lines(deep, "name")


def test_what_is_exact_both_ways_has_no_margin():
    """Two infinite ratios stand between a tensor that is better cut and one that is better rounded."""
    rng = np.random.default_rng(2)
    table = weights.analyse({name: rng.normal(size=(20, 20)) for name in "abc"}, [4])
    ratios = {"a": (10.5, 10.0), "b": (np.inf, np.inf), "c": (10.0, 10.5)}
    table.rows = [
        dataclasses.replace(row, quantization={4: ratios[row.name][0]}, pruning={4: ratios[row.name][1]})
        for row in table.rows
    ]
    assert [line["tensor"] for line in layout.lines(table, "margin")[:-1]] == ["c", "b", "a"]


def test_names_keep_both_ends_and_fifteen_characters_of_them_however_narrow(deep):
    assert layout.shortened("abcdef", 2) == layout.shortened("abcdef", 0) == "a…f"
    assert layout.shortened("abcdef", 6) == "abcdef" and layout.shortened("abcdef", 5) == "ab…ef"
    for width in (1, 40):
        names = [line["tensor"] for line in layout.lines(deep, width=width)]
        assert names[:2] == ["model.l….q_proj", "model.l….o_proj"]  # 7 of either end


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (999, "999"),
        (12_345, "12,345"),
        (99_999, "99,999"),
        (100_000, "100 k"),
        (123_456, "123 k"),
        (1_000_000, "1 M"),
        (2_500_000_000, "2.5 G"),
        (999_499, "999 k"),
        (999_500, "1 M"),  # three digits of it are 1,000 k
        (999_999_999, "1 G"),
        (999_999_999_999, "1 T"),
    ],
)
def test_numbers_of_weights_in_six_characters(number, text):
    assert layout._count(number) == text and len(text) <= 6


def test_few_tensors_stand_alone_and_names_are_text(capsys):
    rng = np.random.default_rng(1)
    names = [f"x.{i}.w\x1b[2J[red]<b>" for i in range(3)]
    table = weights.analyse({name: rng.normal(size=(20, 20)) for name in names}, [4])
    lines = printed(capsys, table)
    assert [line.split()[0] for line in lines[2:5]] == [rf"x.{i}.w\x1b[2J[red]<b>" for i in range(3)]
    assert (
        layout.shortened("a" * 50, 11) == "aaaaa…aaaaa"
        and layout.shortened("\x1b" * 3, 99) == r"\x1b\x1b\x1b"
    )


def test_the_csv_holds_every_number_and_no_formula(deep):
    rng = np.random.default_rng(2)
    table = weights.analyse({"=1+1": rng.normal(size=(20, 20)), "i": np.ones((3, 3), int)}, [2, 4])
    first, second = csv.DictReader(io.StringIO(csv_text(*layout.columns(table))))
    assert first["tensor"] == "'=1+1" and first["verdict"] == "snap" and first["shape"] == "20 x 20"
    assert float(first["quantization_snr_4"]) == table.rows[0].quantization[4]
    assert float(first["share_of_pruning_error_2"]) == 1
    assert second["verdict"] == "not judged" and second["note"] == "int64 values: already integers"
    assert len(list(csv.DictReader(io.StringIO(csv_text(*layout.columns(deep)))))) == len(deep.rows)


def test_every_number_of_the_csv_stands_below_its_name():
    """Of two tensors whose numbers are all different."""
    rows = [
        weights.TensorRow(
            name, shape, size, 3.0 + i, 5.0 + i,
            quantization={2: 7.0 + i, 4: 20.0 + 10 * i},
            pruning={2: 9.5 + i, 4: 10.0 - 10 * i},
            zeros={2: 0.25 + i / 8, 4: 0.0625 + i / 64},
            signal=weights.Signal(1.0), nbytes=700 + i, note=f"note {i}",
        )
        for i, (name, shape, size) in enumerate((("v", (6, 10), 60), ("w", (3, 5, 7), 105)))
    ]  # fmt: skip
    lines = list(csv.DictReader(io.StringIO(csv_text(*layout.columns(weights.Table((2, 4), rows))))))
    for line, row in zip(lines, rows, strict=True):
        texts = {
            "tensor": row.name,
            "shape": " x ".join(map(str, row.shape)),
            "verdict": row.verdict,
            "note": row.note,
        }
        assert {name: line.pop(name) for name in texts} == texts
        numbers = {"weights": row.size, "bytes": row.nbytes, "kurtosis": row.kurtosis, "peak": row.peak}
        for bits in (2, 4):
            numbers[f"quantization_snr_{bits}"] = row.quantization[bits]
            numbers[f"pruning_snr_{bits}"] = row.pruning[bits]
            numbers[f"natural_zeros_{bits}"] = row.zeros[bits]
            for name in ("quantization", "pruning"):
                own, every = (
                    sum(10 ** (-getattr(one, name)[bits] / 10) for one in some) for some in ([row], rows)
                )
                numbers[f"share_of_{name}_error_{bits}"] = pytest.approx(own / every, rel=1e-12)
        assert {name: float(number) for name, number in line.items()} == numbers


@pytest.mark.parametrize("lost", list(itertools.product((True, False), repeat=3)))
def test_the_error_of_the_network_is_all_of_it_where_any_tensor_loses_something(lost):
    rows = [
        weights.TensorRow(
            f"w{i}",
            (3, 3),
            9,
            3.0,
            2.0,
            {4: 20.0 if one else np.inf},
            {4: 1.0},
            {4: 0.0},
            weights.Signal(1.0),
        )
        for i, one in enumerate(lost)
    ]
    *lines, whole = layout.lines(weights.Table((4,), rows))
    assert whole["error"] == ("100 %" if any(lost) else "0 %")
    shares = {1: "100 %", 2: "50 %", 3: "33 %"}
    assert [line["error"] for line in lines] == [shares[sum(lost)] if one else "0 %" for one in lost]


def test_rows_are_on_the_disk_as_they_are_judged(tmp_path):
    rng = np.random.default_rng(3)
    arrays = {f"w{i}": rng.normal(size=(20, 20)) for i in range(5)}
    path, seen = tmp_path / "rows.jsonl", []

    def growing():
        for table in weights.growing_table(arrays, [4]):
            seen.append(len(path.read_text().splitlines()))
            yield table

    table, interrupted = results.follow(growing(), path)
    assert seen == [0, 1, 2, 3, 4, 5] and not interrupted and not table.partial
    *rows, network = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["name"] for row in rows] == list(arrays) and network["network"]["verdict"] == "snap"


def test_an_interrupted_run_gives_the_table_so_far(tmp_path):
    rng = np.random.default_rng(4)
    arrays = {f"w{i}": rng.normal(size=(20, 20)) for i in range(5)}

    def growing(after):
        for i, table in enumerate(weights.growing_table(arrays, [4])):
            if i == after:
                raise KeyboardInterrupt
            yield table

    table, interrupted = results.follow(growing(2), tmp_path / "rows.jsonl")
    assert interrupted and table.partial and [row.name for row in table.rows] == ["w0", "w1"]
    assert table.sentences()[-1] == "Partial: 2 of 5 tensors were judged."
    assert json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[-1])["partial"] is True
    with pytest.raises(KeyboardInterrupt):
        results.follow(growing(0))


def test_memory_follows_the_largest_tensor_not_the_file(tmp_path):
    """Twelve tensors of 16 MB: three of them, and 64 MB, may be in use; all of them are 192."""
    import json as text
    import tracemalloc

    rng = np.random.default_rng(5)
    count, shape = 12, (2048, 2048)
    nbytes = 4 * 2048 * 2048
    header = {
        f"w{i}": {"dtype": "F32", "shape": shape, "data_offsets": [i * nbytes, (i + 1) * nbytes]}
        for i in range(count)
    }
    head = text.dumps(header).encode()
    with (tmp_path / "a.safetensors").open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        base = rng.standard_normal(shape, dtype=np.float32)
        for i in range(count):
            file.write((base + np.float32(i)).tobytes())
    weights.analyse({"w": base[:64]}, [4])  # compiles
    tracemalloc.start()
    table = weights.report(tmp_path / "a.safetensors", [4])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table.rows) == count and peak < 3 * nbytes + 2**26


def test_widths_of_one_winner_are_joined():
    winners = [(4, "snap"), (2, "cut"), (3, "cut"), (5, "snap"), (8, "cut")]
    assert table._widths(winners) == "cut at 2-3, snap at 4-5, cut at 8"
    assert table._widths([(2, "snap"), (8, "snap")]) == "snap"


def test_an_ending_is_common_to_two_names_or_more():
    for ending in (".weight", ".kernel", "/kernel"):
        assert layout._common_ending([f"a{ending}", f"b.c{ending}"]) == ending
    for names in (["a.weight"], ["a.weight", "b.kernel"], ["a.bias", "b.bias"], ["a/weight", "b/weight"]):
        assert layout._common_ending(names) == ""


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([(np.inf, np.inf), (np.inf, np.inf)], "either"),
        ([(9.0, 5.0), (5.0, 9.0)], "1 snap, 1 cut"),
        ([(9.0, 5.0), (np.inf, np.inf)], "1 snap"),
        ([(5.0, 9.0), (np.inf, np.inf)], "1 cut"),
    ],
)
def test_blocks_of_several_verdicts_are_counted_at_the_width_that_decides(pairs, said):
    """At 8 bits they differ; of 4 bits, exact both ways, neither method wins."""
    others = [(f"other{chr(97 + i // 26)}{chr(97 + i % 26)}", (9.0, 5.0)) for i in range(40)]
    rows = [
        weights.TensorRow(
            name, (3, 3), 9, 3.0, 2.0, {4: q, 8: 40.0}, {4: p, 8: 20.0 + 40.0 * (i % 2)}, {4: 0.0, 8: 0.0},
            weights.Signal(1.0),
        )
        for i, (name, (q, p)) in enumerate([*((f"b.{i}.w", pair) for i, pair in enumerate(pairs)), *others])
    ]  # fmt: skip
    lines = {line["tensor"]: line for line in layout.lines(weights.Table((4, 8), rows), width=200)}
    assert lines["b.*.w"]["verdict"] == said and lines["b.*.w"][""] == "2"


def row_of(name, kurtosis=3.0, size=9, quantization=9.0, pruning=5.0):
    numbers = ({4: quantization}, {4: pruning}, {4: 0.0}, weights.Signal(1.0))
    return weights.TensorRow(name, (size,), size, kurtosis, 2.0, *numbers)


def test_every_cell_of_a_line_of_its_own_and_of_repeated_blocks():
    """The median of two kurtoses, a third tensor has none; of the error forty have 10^-0.9 each."""
    blocks = [row_of("b.0.weight", 2.5, 9, 20.0, 15.25), row_of("b.1.weight", np.nan, 10, 40.0, 5.0)]
    blocks.append(row_of("b.2.weight", 30.125, 1000, 30.5, 50.0))
    others = [row_of(f"{chr(97 + i // 10)}{chr(97 + i % 10)}.weight", 7.25) for i in range(40)]
    others[1] = row_of("ab.weight", np.nan)
    group, single, constant, *_ = layout.lines(weights.Table((4,), [*blocks, *others]), width=200)
    assert group == {
        "tensor": "b.*", "": "3", "weights": "1,019", "kurt.": "16.3", "4 bits": "20.0/30.5/40.0",
        "cut 75 %": "5.0/15.2/50.0", "error": "0.22 %", "verdict": "2 snap, 1 cut",
    }  # fmt: skip
    assert single == {
        "tensor": "aa", "": "", "weights": "9", "kurt.": "7.25", "4 bits": "9.0", "cut 75 %": "5.0",
        "error": "2.5 %", "verdict": "snap",
    }  # fmt: skip
    assert constant == single | {"tensor": "ab", "kurt.": "-"}


@pytest.mark.parametrize("last", ["c.kernel", "c.bias", "c/weight", "weight"])
def test_an_ending_that_one_name_does_not_have_is_kept(last):
    names = ["a.weight", "b.weight", last]
    lines = layout.lines(weights.Table((4,), [row_of(name) for name in names]))
    assert [line["tensor"] for line in lines[:-1]] == names


@pytest.mark.parametrize(("count", "together"), [(40, False), (41, True)])
def test_up_to_forty_tensors_stand_on_lines_of_their_own(count, together):
    numbers = ({4: 9.0}, {4: 5.0}, {4: 0.0}, weights.Signal(1.0))
    names = [f"b.{i}.w" for i in range(count - 1)] + ["head"]
    table = weights.Table((4,), [weights.TensorRow(name, (3, 3), 9, 3.0, 2.0, *numbers) for name in names])
    lines = layout.lines(table)
    assert [line.get("") for line in lines] == (["40", "", "41"] if together else [None] * 41)
    assert ("repeated blocks" in layout.title(table)) == together


@pytest.mark.parametrize("width", [80, 81, 100, 137])
def test_a_long_name_takes_what_the_other_columns_leave(width):
    """Two spaces stand between columns; a name has both ends and a sign between, an odd number in all."""
    row = weights.TensorRow("w" * 300, (3, 3), 9, 3.0, 2.0, {4: 9.0}, {4: 5.0}, {4: 0.0}, weights.Signal(1.0))
    lines = layout.lines(weights.Table((4,), [row]), width=width)
    widths = [max(len(key), *(len(line[key]) for line in lines)) for key in lines[0]]
    assert width - 1 <= sum(widths) + 2 * (len(widths) - 1) <= width


def test_a_table_without_tensors_has_no_lines():
    assert layout.lines(weights.Table((4,))) == []


def test_ratios_of_one_tensor_are_one_number_each():
    (row, _) = layout.lines(weights.analyse({"w": np.eye(32)}, [4]))
    assert row["4 bits"] == "inf" and row["cut 75 %"] == "inf"
    found = weights.analyse({"w": np.random.default_rng(5).normal(size=(32, 32))}, [4])
    (row, _) = layout.lines(found)
    assert row["4 bits"] == f"{found.rows[0].quantization[4]:.1f}"
    assert row["cut 75 %"] == f"{found.rows[0].pruning[4]:.1f}"

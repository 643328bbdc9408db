"""The explorer without a browser: states, numbers, texts, pictures, and who is served."""

import asyncio
import contextlib
import csv
import dataclasses
import io
import itertools
import os
import re
import shlex
import socket
import threading
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qs

import matplotlib
import numpy as np
import pytest

import snapcut
from figures import style
from figures.explore import live, page, pages, picture, server, session, view
from figures.explore.page import Series
from figures.explore.pages import lottery, weights
from figures.explore.pin import Pinned
from sims import montecarlo
from sims.support import output
from sims.support.row import Row
from theory.subset_sum import exact_is_cheap, exact_miss_probability, miss_error

QUICK = {  # states whose simulation ends within a second or two
    "partition": {"n": 10, "bits": 8.0, "width": 0.1},
    "subset-sum": {"n": 8, "max_value": 31, "width": 0.1},
    "lottery": {"samples": 6, "bits": 2, "inputs": 2, "hidden": 2, "outputs": 1, "width": 0.1},
    "path-following": {"columns": 8, "samples": 4, "width": 0.2},
    "snr": {"size": 256, "width": 0.5},
    "layer-bounds": {"inputs": 6, "width": 4.0},
    "fine-tuning": {},
    "weights": {"budget": 4.0},
}


def state_of(name):
    one = pages.find(name)
    return one, {**one.defaults(), **QUICK[name]}


@pytest.fixture(scope="module")
def finished():
    """Every page after its simulation: {name: (page, state, laws, points)}."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lottery, "_MISS_TRIALS", (1000, 2000))
        for name in pages.LABELS:
            one, state = state_of(name)
            *_, points = one.live(state)
            found[name] = one, state, one.curves(state), points
    return found


@pytest.mark.parametrize("name", pages.LABELS)
def test_a_link_restores_the_state_and_every_control_can_show_it(name):
    one, state = state_of(name)
    query = {key: values[0] for key, values in parse_qs(one.link(state)[1:]).items()}
    opened, restored, problems = session.open_page(query)
    assert opened is one and restored == state and problems == []
    for parameter in one.parameters:
        value = state[parameter.name]
        assert type(value) is type(parameter.default)
        assert value in (list(parameter.choices.values()) or parameter.positions(value) or [value])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            {"page": "partition", "n": "many"},
            "n must be an integer between 4 and 30, got 'many'; 20 is shown",
        ),
        ({"page": "partition", "n": "31"}, "n must be an integer between 4 and 30"),
        ({"page": "partition", "bits": "nan"}, "bits must be a number between"),
        ({"page": "partition", "seed": "-1"}, "seed must be an integer between 0 and"),
        (
            {"page": "subset-sum", "law": "binary"},
            "law must be one of nonzero, uniform, product, got 'binary'",
        ),
        ({"page": "snr", "colour": "red"}, "This page has no parameter 'colour'"),
        ({"page": "cats"}, "There is no page 'cats'; there are partition, "),
    ],
)
def test_what_a_link_cannot_mean_is_said_in_a_sentence_and_not_clipped(query, words):
    opened, state, (problem,) = session.open_page(query)
    assert problem.startswith(words) and problem.endswith(".")
    assert state == opened.defaults()


def test_a_value_between_the_positions_of_a_slider_is_kept():
    one, state, problems = session.open_page({"page": "subset-sum", "max_value": "100", "target": "77"})
    assert (state["max_value"], state["target"], problems) == (100, 77, [])
    slider = next(p for p in one.parameters if p.name == "target")
    assert 77 in slider.positions(77) and slider.positions(77) == sorted(slider.positions(77))


@pytest.mark.parametrize("name", pages.LABELS)
def test_laws_are_finite_and_simulation_agrees_with_the_table(name, finished):
    one, state, laws, points = finished[name]
    for series in laws:
        assert len(series.x) == len(series.value) and np.isfinite(series.value).all()
    rows = one.rows(state, points)
    assert rows and all(type(row) in ((dict, str) if name == "weights" else (Row,)) for row in rows)
    assert len(rows) > len(one.rows(state, [])) or name in ("snr", "path-following", "fine-tuning")
    assert one.count(points) and not one.count([])


def printed(rows):
    """What the command line prints of these rows: tables, and sentences between them."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        for kind, group in itertools.groupby(
            rows, lambda row: row if isinstance(row, str) else list(_cells(row))
        ):
            output.say(kind) if isinstance(kind, str) else output.print_table([_cells(row) for row in group])
    return out.getvalue()


def _heading(row):
    return row if isinstance(row, str) else list(_cells(row))


def _cells(row):
    return row if isinstance(row, dict) else row.as_dict()


def run_command(words):
    """What a command copied from a page prints: `snapcut` in this process, anything else in a shell."""
    name, *rest = shlex.split(words)
    if name == "python":
        assert rest[0] == "-c" and len(rest) == 2
        return run(rest[1])
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        snapcut.main(rest)
    assert ended.value.code in (0, None)
    return out.getvalue()


@pytest.mark.parametrize("name", pages.LABELS)
def test_what_is_copied_prints_the_numbers_on_screen(name, finished):
    """Names, digits and intervals of every row: Python and command print the table that the page shows."""
    one, state, _, points = finished[name]
    wanted = printed(one.rows(state, points))
    titles = ("SNR in dB", "Formats by tensor within 4 bits per weight")
    for text in (run(one.python(state)), run_command(one.command(state))):
        lines = [line for line in text.splitlines(keepends=True) if not line.startswith(titles)]
        assert "".join(lines) == wanted


SMALL = {"n": 12, "max_value": 3, "target": 1, "width": 0.1}


def test_the_subset_sum_page_shows_the_exact_value_and_the_error_of_every_law_on_small_grids():
    one = pages.find("subset-sum")
    state = {**one.defaults(), **SMALL}
    *_, points = one.live(state)
    exact, cox = one.curves(state)
    assert (exact.name, cox.name) == ("exact", "cox law")
    assert exact.value[11] == float(exact_miss_probability(12, 3, 1))
    rows = {row.quantity: row for row in one.rows(state, points)}
    assert rows["P(miss), best law"].theory == exact.value[11] and rows["P(miss), best law"].source == "exact"
    for form in ("cox", "saddlepoint"):
        row = rows[f"P(miss), {form} law"]
        assert row.source == f"within a factor of {1 + miss_error(12, 3, 1, form=form):.2f}, as measured"


@pytest.mark.parametrize("law", ["nonzero", "uniform", "product"])
@pytest.mark.parametrize(("size", "target", "delta"), [(1, 1, 0), (7, 7, 0), (8, 1, 0), (3, 0, 0), (3, 2, 5)])
def test_every_law_keeps_its_colour_whatever_the_grid(law, size, target, delta):
    one = pages.find("subset-sum")
    state = {**one.defaults(), "n": 6, "max_value": size, "target": target, "delta": delta, "law": law}
    laws = one.curves(state)
    figure = picture._drawn(lambda axes: one.draw(axes, state, laws, [], False), picture.WIDE)
    (axes,) = figure.axes
    if abs(target) <= delta:
        assert [text.get_text() for text in axes.texts] == ["reached by the empty set"]
        assert axes.get_legend() is None
        return
    colours = {text.get_text(): text.get_color() for text in axes.get_legend().texts}
    cheap = exact_is_cheap(30, size, target, law, delta)
    assert colours == {"Cox law": style.BLUE} | ({"exact": style.GREEN} if cheap else {})
    assert {style.GREEN in (line.get_color() for line in axes.lines)} == {cheap}


def test_an_uploaded_file_is_named_as_one_word_of_the_command():
    one, state = state_of("weights")
    state |= {"upload": ("my net.npz", b""), "budget": 0.0}
    assert one.command(state) == "snapcut weights 'my net.npz' --bits 4"


@pytest.mark.parametrize("name", pages.LABELS)
def test_a_picture_follows_the_theme_and_has_both_shapes(name, finished):
    one, state, laws, points = finished[name]
    html = view.picture(one, state, laws, points, running=True)
    assert html.count("<svg ") == 2 and "snapcut-wide" in html and "snapcut-narrow" in html
    assert not re.search(r"#[0-9a-fA-F]{6}", html) and "<style" not in html and "<script" not in html
    wide, narrow = html.split('class="snapcut-narrow"')
    identifiers = [
        set(re.findall(r'\bid="([^"]+)"', part.split('class="snapcut-numbers"')[0]))
        for part in (wide, narrow)
    ]
    assert identifiers[0] and not identifiers[0] & identifiers[1]
    for used in re.findall(r'(?:href="#|url\(#)([^")]+)', html):
        assert used in identifiers[0] | identifiers[1]
    assert 'role="img" aria-label="' in html


@pytest.mark.parametrize("name", pages.LABELS)
def test_curves_are_pinned_behind_those_of_another_state_and_a_link_keeps_them(name, finished):
    one, state, laws, points = finished[name]
    first = one.parameters[0]
    other = (list(first.choices.values()) or list(first.values))[-1]
    pinned = Pinned(one, {**state, first.name: other})
    together = {**state, "pin": pinned}
    text = re.search(r'data-snapcut-link="([^"]+)"', view.texts(one, together)).group(1).replace("&amp;", "&")
    query = {key: values[0] for key, values in parse_qs(text[1:]).items()}
    opened, restored, problems = session.open_page(query)
    assert problems == [] and opened is one and restored["pin"].state == pinned.state
    assert first.label in pinned.differs(state)
    shown = session.Shown(None, one, together)
    held = {line["series"] for line in csv.DictReader(io.StringIO(shown.csv().decode()))}
    assert {f"pinned: {law.name}" for law in one.curves(pinned.state)} <= held
    drawn = [curve for curve in points if len(curve.x)]
    (axes,) = picture._drawn(lambda a: view.draw(a, one, together, laws, drawn, False), picture.WIDE).axes
    (alone,) = picture._drawn(lambda a: one.draw(a, state, laws, drawn, False), picture.WIDE).axes
    assert len(axes.lines) == len(alone.lines) + len(pinned.laws) and "dotted: pinned" in axes.get_xlabel()
    assert axes.get_ylim()[1] >= alone.get_ylim()[1]


@pytest.mark.parametrize("name", pages.LABELS)
def test_every_end_of_every_control_has_laws_a_picture_and_numbers(name):
    one, state = state_of(name)
    for parameter in one.parameters:
        ends = [*parameter.choices.values()] or [
            *parameter.values[:1],
            *parameter.values[-1:],
            parameter.default,
        ]
        for value in ends:
            there = {**state, parameter.name: value}
            laws = one.curves(there)
            picture._drawn(lambda axes, s=there, c=laws: one.draw(axes, s, c, [], True), picture.NARROW)
            assert all(row.theory is None or np.isfinite(row.theory) for row in one.rows(there, []))


@pytest.mark.parametrize("name", pages.LABELS)
def test_the_data_are_tidy_and_the_files_are_what_they_say(name, finished):
    one, state, laws, points = finished[name]
    shown = session.Shown(None, one, state)
    shown.points = points
    lines = list(csv.DictReader(io.StringIO(shown.csv().decode())))
    assert len(lines) == sum(len(series.x) for series in [*laws, *points])
    assert {line["series"] for line in lines} == {s.name for s in [*laws, *points] if len(s.x)}
    assert float(lines[0][one.axes[1]]) == laws[0].value[0] and float(lines[0][one.axes[0]]) == laws[0].x[0]


def test_files_are_equal_for_equal_pictures(finished):
    one, state, _, points = finished["snr"]
    shown = session.Shown(None, one, state)
    shown.points = points
    for kind, start in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
        content = shown.file(kind)
        assert content.startswith(start) and content == shown.file(kind) and b"/Type3" not in content
    with pytest.raises(ValueError, match="kind must be one of pdf, svg, png, got 'bmp'"):
        shown.file("bmp")


def test_two_sessions_drawing_at_once_get_their_own_pictures_and_leave_the_settings_alone(finished):
    before = dict(matplotlib.rcParams)
    alone = {n: view.picture(*finished[n][:4], running=False) for n in ("partition", "snr")}
    together: dict[str, list[str]] = {name: [] for name in alone}

    def draw(name):
        for _ in range(4):
            together[name].append(view.picture(*finished[name][:4], running=False))

    threads = [threading.Thread(target=draw, args=(name,)) for name in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, pictures in together.items():
        assert pictures == [alone[name]] * 4
    assert dict(matplotlib.rcParams) == before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_readers_share_the_open_font_files(finished):
    """Matplotlib opens each font once for every thread that draws; sessions are threads."""

    def fonts():
        paths = []
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                paths.append(os.readlink(entry))
        return sum(path.endswith((".ttf", ".otf", ".afm")) for path in paths)

    one, state, laws, points = finished["snr"]
    view.picture(one, state, laws, points, running=False)
    before = fonts()
    for _ in range(5):
        thread = threading.Thread(target=view.picture, args=(one, state, laws, points, False))
        thread.start()
        thread.join()
    assert 0 < fonts() <= before


def test_an_error_of_a_simulation_is_seen_on_the_page():
    """Of any kind: the thread that simulates has no caller, and the page would wait for it."""
    mo = mock.MagicMock()
    mo.Thread = threading.Thread
    mo.Html.side_effect = mo.output.replace.side_effect = lambda html: html
    mo.current_thread.return_value.should_exit = False

    def broken(state):
        raise ZeroDivisionError("in <b>")
        yield

    one, state = state_of("partition")
    shown = session.Shown(mo, dataclasses.replace(one, live=broken), state)
    shown._simulate()
    ((page,), _) = mo.output.replace.call_args
    assert "internal error, please report it: ZeroDivisionError, in &lt;b&gt;." in page
    assert 'data-running="false"' in page


def test_probabilities_are_those_of_the_monte_carlo_core_whatever_runs_beside_them():
    def sample(rng, count):
        return rng.random(count) < 0.3

    events = [live.Event(1.0, sample, ("a",)), live.Event(2.0, sample, ("b",))]
    *_, (both,) = live.probabilities(events, seed=5, level=0.99, width=0.05, trials=30_000, block=1000)
    for i, key in enumerate(("a", "b")):
        one = montecarlo.probability(sample, 30_000, seed=5, key=(key,), width=0.05, block=1000)
        assert (both.value[i], both.low[i], both.high[i], both.trials[i]) == (
            one.value,
            one.low,
            one.high,
            one.trials,
        )


def test_a_simulation_reports_after_every_block_and_stops_at_its_trials():
    events = [live.Event(0.0, lambda rng, count: rng.random(count) < 0.5, ("x",))]
    reports = list(live.probabilities(events, seed=0, level=0.9, width=1e-9, trials=2500, block=1000))
    assert [int(one.trials[0]) for (one,) in reports] == [1000, 2000, 2500]
    widths = [float(one.high[0] - one.low[0]) for (one,) in reports]
    assert widths == sorted(widths, reverse=True)


def test_a_setting_that_no_law_covers_is_one_sentence_under_the_laws():
    one, state = state_of("path-following")
    state |= {"operator": "one-bit", "step": 0.5, "scale": 1.0, "columns": 64}
    assert one.curves(state)
    with pytest.raises(ValueError, match="left the limits") as caught:
        list(one.live(state))
    html = view.picture(one, state, one.curves(state), [], False, session.sentence(caught.value))
    assert html.count('role="alert"') == 1 and "<svg" in html


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_the_same_file_gives_what_the_command_line_prints(tmp_path, monkeypatch):
    """Constants, NaN, zeros and short tensors among them: a note for each, and the same numbers."""
    monkeypatch.chdir(tmp_path)
    one, state = state_of("weights")
    rng = np.random.default_rng(0)
    arrays = {
        "a<b>": rng.standard_t(2, (64, 64)),
        "constant": np.full((32, 32), 0.1),
        "nan": np.where(np.eye(32) > 0, np.nan, 1.0),
        "zero": np.zeros((32, 32)),
        "b": np.zeros(64),
        "c": np.ones((4, 4), int),
    }
    content = npz(**arrays)
    Path("net.npz").write_bytes(content)
    state |= {"upload": ("net.npz", content), "budget": 0.0}
    *_, points = one.live(state)
    rows = one.rows(state, points)
    text = run_command(one.command(state))
    assert text.partition("\n")[2] == printed(rows) and run(one.python(state)) == text
    (row,) = [row for row in rows if isinstance(row, dict) and row["tensor"] == "constant"]
    assert (row["kurt."], row["4 bits"]) == ("-", "inf")
    notes = [row for row in rows if isinstance(row, str)]
    assert [note for note in notes if "NaN or infinity" in note and "nan" in note]
    assert [note for note in notes if "all zeros" in note and "zero" in note]
    (figure,) = [
        picture._drawn(lambda axes: one.draw(axes, state, one.curves(state), points, False), picture.WIDE)
    ]
    assert any("1 of 2 tensors" in text.get_text() for text in figure.axes[0].texts)
    held = {line["tensor"]: line for line in csv.DictReader(io.StringIO(one.data(points).decode()))}
    assert float(held["a<b>"]["quantization_snr_db"]) == pytest.approx(
        points[0].table.rows[0].quantization[4]
    )
    html = view.numbers(rows)
    assert "a&lt;b&gt;" in html and "<b>" not in html


@pytest.mark.parametrize(
    ("name", "contents", "words"),
    [
        ("net.npz", b"not a zip", "net.npz"),
        ("net.txt", b"1 2 3", "net.txt"),
        ("", b"", "upload"),
        ("../../../etc/x.npy", b"\x93NUMPY", "x.npy"),
        ("net.npz", npz(words=np.array(["a", "b"])), "words: <U1 values"),
        ("net.npz", npz(a=np.zeros((2, 2))), "fewer than 256"),
    ],
)
def test_a_bad_upload_is_one_sentence(name, contents, words):
    one, state = state_of("weights")
    state["upload"] = (name, contents)
    with pytest.raises(ValueError, match=r".") as caught:
        list(one.live(state))
    sentence = session.sentence(caught.value)
    assert words in sentence and "\n" not in sentence and "/tmp" not in sentence and sentence.endswith(".")


def test_an_upload_over_the_limit_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(weights, "MAX_UPLOAD", 100)
    one, state = state_of("weights")
    state["upload"] = ("net.npy", b"x" * 101)
    with pytest.raises(ValueError, match=r"'net\.npy' has 101 bytes; at most 100 can be uploaded"):
        list(one.live(state))


def request(app, headers, kind="http", path="/"):
    """Status of one request to an ASGI application, and its headers."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    scope = {"type": kind, "path": path, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(app(scope, receive, send))
    return sent


async def inner(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})


LOCAL = frozenset({"127.0.0.1", "localhost"})


@pytest.mark.parametrize(
    ("headers", "hosts", "status"),
    [
        ({"host": "127.0.0.1:2718"}, LOCAL, 200),
        ({"host": "127.0.0.1:2718", "origin": "http://127.0.0.1:2718"}, LOCAL, 200),
        ({"host": "127.0.0.1:2718", "origin": "http://evil.example"}, LOCAL, 403),
        ({"host": "127.0.0.1:2718", "origin": "null"}, LOCAL, 403),
        ({"host": "127.0.0.1:2718", "origin": "http://127.0.0.1:9999"}, LOCAL, 403),
        ({"host": "evil.example:2718"}, LOCAL, 403),
        ({"host": "evil.example:2718", "origin": "http://evil.example:2718"}, LOCAL, 403),
        ({}, LOCAL, 403),
        ({"host": "lab.example:2718"}, None, 200),
        ({"host": "lab.example:2718", "origin": "http://evil.example"}, None, 403),
    ],
)
def test_only_requests_addressed_to_this_server_are_served(headers, hosts, status):
    guard = server.Guard(inner, hosts)
    first = request(guard, headers)[0]
    assert first["status"] == status
    if status == 200:
        assert b"default-src 'self'" in dict(first["headers"])[b"content-security-policy"]
    else:
        assert request(guard, headers, "websocket") == [{"type": "websocket.close", "code": 1008}]


def test_assets_may_be_kept_and_pages_may_not():
    guard = server.Guard(inner, LOCAL)
    kept = [
        dict(request(guard, {"host": "localhost"}, path=path)[0]["headers"]).get(b"cache-control")
        for path in ("/assets/index-s-M1OXjs.js", "/")
    ]
    assert kept == [b"public, max-age=31536000, immutable", None]


def test_a_taken_port_is_one_sentence():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=rf"cannot listen on 127.0.0.1 port {port} \(.*\); name another"):
            server.bound("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("127.0.0.1", 70_000, "port must lie between 0 and 65535"),
        ("127.0.0.1", -1, "port must lie between 0 and 65535"),
        ("no.such.host.invalid", 0, "host must be an address of this machine"),
        ("192.0.2.1", 0, "cannot listen on 192.0.2.1"),
    ],
)
def test_an_address_that_cannot_be_had_is_one_sentence(host, port, words):
    with pytest.raises(ValueError, match=words):
        server.bound(host, port)


def test_a_missing_marimo_is_one_sentence(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "marimo", None)
    with pytest.raises(ImportError, match=r"pip install .*\[explore\]"):
        server.application()


def test_a_missing_browser_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    server._open("http://127.0.0.1:1/")
    assert capsys.readouterr().out == "No browser was found; open the address above in one.\n"


def test_a_command_to_copy_holds_the_file_name_as_one_word():
    name = "a' ; touch ran ; '.npz"
    page = pages.find("weights")
    state = page.defaults() | {"upload": (name, b"")}
    assert shlex.split(page.command(state))[2] == name


def test_what_a_page_says_is_escaped():
    assert view.notice(["<script>"]) == '<div class="snapcut-notice" role="alert"><p>&lt;script&gt;</p></div>'
    for row in (Row.law("<i>", 1.0, "&"), {"<i>": "<i>", "source": "&"}):
        assert "<i>" not in view.numbers([row]) and "&amp;" in view.numbers([row])
    assert view.notice([]) == ""


def test_measured_and_theory_have_columns_of_their_own():
    html = view.numbers([Row("p", 0.25, 0.125, 0.5, source="10 runs", trials=10), Row.law("q", 2, "exact")])
    assert re.findall(r"<th scope=col[^>]*>([^<]*)", html) == [
        "quantity",
        "measured",
        "interval",
        "theory",
        "source",
    ]
    assert re.findall(r"<t[dh](?: scope=row| class=snapcut-source)?>([^<]*)", html) == [
        *("p", "0.25", "[0.125, 0.5]", "", "10 runs"),
        *("q", "", "", "2", "exact"),
    ]


def test_the_head_asks_no_other_host():
    head = (server._HERE / "head.html").read_text(encoding="utf-8")
    assert "http" not in head and "//" not in re.sub(r"^\s*//.*$", "", head, flags=re.M)
    for name in set(re.findall(r"var\(--snapcut-([a-z]+)\)", head)) | set(picture._THEMED.values()):
        assert head.count(f"--snapcut-{name}:") == 2, name  # light and dark


def run(source):
    """What a Python text prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "text", "exec"), {})
    return out.getvalue()


def test_series_without_intervals_leave_their_cells_empty():
    text = page.to_csv([Series("a", np.array([1.0]), np.array([2.0]))], "n", "probability").decode()
    assert text.splitlines() == ["series,n,probability,low,high,trials", "a,1.0,2.0,,,"]


def test_the_lottery_law_is_exact_on_small_grids_and_measured_beyond(monkeypatch):
    monkeypatch.setattr(lottery, "_MISS_TRIALS", (1000,))
    one = pages.find("lottery")
    state = {**one.defaults(), "samples": 8, "bits": 2, "inputs": 1, "hidden": 1, "outputs": 1, "seed": 3}
    first = next(iter(one.live(state)))
    nonzero = sum(np.count_nonzero(w) for w in lottery._target((1, 1, 1), 1, 3))
    assert nonzero > 0
    assert [series.name for series in first] == ["law, exact misses"]
    assert first[0].value[7] == pytest.approx(1 - (1 - 2.0**-8) ** nonzero)
    assert one.rows(state, first)[0].source == "law, exact misses"
    (measured,) = next(iter(one.live({**state, "bits": 5})))
    assert measured.name == "law, measured misses"

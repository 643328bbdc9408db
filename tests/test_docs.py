"""Every code block in the README and the guide runs."""

import importlib.util
import os
import pydoc
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from figures import build
from paper_checks import registry
from theory.distributions import Gaussian, Laplace, StudentT
from theory.formats import FORMATS
from theory.formats.laws import format_snr

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list:
    """Every block once, under the first place where it stands."""
    places: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            found, block = match.groups()
            if found == language:
                places.setdefault(block, f"{page.name}:{text[: match.start()].count(chr(10)) + 1}")
    return [pytest.param(block, id=place) for block, place in places.items()]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder with the files the commands name, so that nothing is written into the checkout.

    Blocks run in this process where they can, on one thread: a Python for each would load its libraries anew.
    """
    (tmp_path / "sims").mkdir()
    shutil.copytree(ROOT / "sims" / "data", tmp_path / "sims" / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNAPCUT_THREADS", "1")
    return tmp_path


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(code, elsewhere):
    exec(compile(code, "block", "exec"), {"__name__": "__main__"})


SHELL = blocks("sh")
PLAIN = [
    block for block in SHELL if all(line.startswith("snapcut ") for line in block.values[0].splitlines())
]


@pytest.mark.parametrize("code", PLAIN)
def test_blocks_of_commands_run(code, elsewhere, here):
    for line in code.splitlines():
        done = here(*shlex.split(line, comments=True)[1:])
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize("code", [block for block in SHELL if block not in PLAIN])
def test_other_shell_blocks_run(code, elsewhere):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=elsewhere,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_claim_of_the_readme_gets_the_verdicts_the_readme_states(capsys):
    (code,) = (found.values[0] for found in blocks("python") if "Claim(" in found.values[0])
    exec(compile(code, "block", "exec"), {"__name__": "__main__"})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["holds", "refuted"]


def test_the_make_targets_named_exist():
    pattern = re.compile(r"(?:^    |`)make ([a-z]+)", re.MULTILINE)
    named = {target for page in PAGES for target in pattern.findall(page.read_text(encoding="utf-8"))}
    assert {"report", "test"} <= named
    for target in named:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_what_make_quick_leaves_out_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (slow,) = re.findall(r"^SLOW := (.*)$", makefile, re.MULTILINE)
    assert [path for path in slow.split() if not (ROOT / path).exists()] == []


def test_the_first_two_commands_of_the_readme():
    commands = re.findall(r"^    (make \w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands[:2] == ["make report", "make test"]


def test_local_links_and_images_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_files_and_tests_named_exist():
    """`a/path.py`, and `a/path.py::test_name`, as they stand in code style; <placeholders> are no names."""
    named = {
        (page.name, *name)
        for page in [*PAGES, ROOT / "SECURITY.md"]
        for name in re.findall(r"`([\w./-]+\.py)(?:::(\w+))?`", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 40
    for page, path, test in sorted(named):
        assert (ROOT / path).is_file(), f"{page}: {path}"
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8") or not test, f"{page}: {test}"


def test_names_in_the_packages_exist():
    """`sims.weights.load` and the like, in code style."""
    roots = "theory|sims|figures|paper_checks|snapcut"
    for page in PAGES:
        for name in re.findall(rf"`((?:{roots})(?:\.\w+)+)`", page.read_text(encoding="utf-8")):
            assert pydoc.locate(name) is not None, f"{page.name}: {name}"


def test_every_page_is_in_the_table_of_contents():
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} <= set(contents)


def test_every_command_has_a_line_in_the_guide(here):
    commands = set(re.findall(r"^\W ([a-z]+)  ", here("--help").stdout, re.MULTILINE))
    assert {"check", "report", "weights"} <= commands
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {c for c in commands if f"snapcut {c}" not in text} == set()


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/notebook_*.md")), ids=lambda page: page.stem)
def test_the_cells_of_the_notebooks_run(page):
    spec = importlib.util.spec_from_file_location("cells", ROOT / "docs" / "cells.py")
    cells = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cells)
    namespace, shown = {}, ""
    for code in cells.cells(page):
        printed, value = cells.run(code, namespace)
        shown += printed + (cells.shown(value) if value is not None else "")
    said = {
        "notebook_figure": (
            "figure snr_gaussian has no parameter 'df'",
            "<figcaption>",
            "what the cell draws",
        ),
        "notebook_bound": ("refuted: ", "not refuted: ", "mine.miss"),
        "notebook_network": ("Snap: at 4 bits", "what the cell draws", "network, errors summed"),
    }
    assert all(words in shown for words in said[page.stem])


def test_the_gallery_shows_every_figure_with_its_parameters():
    """If this fails: python docs/make_gallery.py"""
    place = ROOT / "docs"
    spec = importlib.util.spec_from_file_location("make_gallery", place / "make_gallery.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert (place / "gallery.md").read_text(encoding="utf-8") == maker.page()
    pictures = {path.stem for path in (place / "images" / "gallery").glob("*.png")}
    assert pictures == set(build.names())


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_index_of_claims_leads_every_claim_to_a_page_and_its_figure(reference):
    rows = [line.split(" | ") for line in reference.claims().splitlines() if re.match(r"\|[^|]*\| `", line)]
    assert {row[1].split("`")[1] for row in rows} == {claim.id for claim in registry.claims()}
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    for row in rows:
        linked = re.findall(r"\]\(([\w.]+)", row[-1])
        assert linked and set(linked) <= pages, row
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    for claim in registry.claims():
        assert not claim.figure or f"\n## {claim.figure}\n" in gallery, claim.id


def test_the_command_line_reference_is_the_help(reference):
    text = reference.commands()
    assert "## snapcut check" in text and "### snapcut simulate partition" in text
    assert "`--budget" in text and "Number of trials: standard has 10 times those of quick" in text
    assert "](#" not in text  # headings of the page differ from those of the help


def test_the_citation_names_the_version():
    from importlib.metadata import version

    assert f"version = {{{version('snapcut')}}}" in (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")


def test_the_ratios_of_block_formats_are_those_of_their_laws():
    """The table of docs/snr.md that begins with Q4_0, each law to the digits it states."""
    text = (ROOT / "docs" / "snr.md").read_text(encoding="utf-8")
    head, _, *rows = text[text.index("| format | bits | Gaussian |") :].split("\n\n")[0].splitlines()
    assert head.endswith("| Laplace | Student-t, kurtosis 29 |") and len(rows) == 6
    laws = Gaussian(), Laplace(), StudentT(2, 30)
    for row in rows:
        name, _, *stated = (cell.strip() for cell in row.strip("|").split("|"))
        form = next(form for form in FORMATS if form.name == name.split(" (")[0])
        assert [f"{format_snr(law, form):.2f}" for law in laws] == stated, name

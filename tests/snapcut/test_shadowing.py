"""Files of the user's with the names of snapcut's packages: one sentence, or no harm done."""

import subprocess
import sys

import pytest


def python(folder, *words):
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("path", ["theory.py", "sims/__init__.py"])
def test_a_module_in_the_way_is_one_sentence_that_names_it(tmp_path, path):
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    name = path.partition("/")[0].removesuffix(".py")
    sentence = f"{file} stands in the way of snapcut's own package {name!r}: rename it, or run elsewhere\n"
    assert python(tmp_path, "-m", "snapcut", "--help") == (2, "", f"snapcut: {sentence}")
    code, _, errors = python(tmp_path, "-c", "import snapcut")
    assert code == 1 and errors.splitlines(True)[-1] == f"ImportError: {sentence}"


def test_plain_folders_of_these_names_do_no_harm(tmp_path):
    for name in ("theory", "sims/data", "figures", "paper_checks"):
        (tmp_path / name).mkdir(parents=True)
    code = (
        "import snapcut; from figures import build; from sims import data; print(data.__file__);"
        "print(len(build.names()), snapcut.weights('digits', 4).source.verdict)"
    )
    done = python(tmp_path, "-c", code)
    assert done[0] == 0 and done[1].splitlines()[1].endswith(" snap"), done
    assert not done[1].startswith(("0", str(tmp_path)))

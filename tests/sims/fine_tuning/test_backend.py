import os
import sys

import pytest

from sims.fine_tuning import backend


def test_training_is_available_where_its_libraries_are():
    """Otherwise every test of training would be left out, and the suite would pass."""
    try:
        import jax  # noqa: F401
        import optax  # noqa: F401
    except ImportError:
        assert not backend.available()
    else:
        assert backend.available()


@pytest.mark.skipif(not backend.available(), reason="the train extra is not installed")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "--xla_cpu_multi_thread_eigen=false"),
        ("--xla_dump_to=here", "--xla_dump_to=here --xla_cpu_multi_thread_eigen=false"),
        ("--xla_cpu_multi_thread_eigen=true", "--xla_cpu_multi_thread_eigen=true"),
    ],
)
def test_one_thread_unless_the_environment_says_otherwise(monkeypatch, before, after):
    monkeypatch.setenv("XLA_FLAGS", before)
    backend.load.__wrapped__()
    assert os.environ["XLA_FLAGS"] == after


def test_without_the_libraries_one_sentence_says_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    monkeypatch.setenv("XLA_FLAGS", "")
    with pytest.raises(ImportError, match=r"^fine-tuning needs the extra train; install it with .*\[train\]"):
        backend.load.__wrapped__()

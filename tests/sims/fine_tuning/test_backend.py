import os
import subprocess
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


@pytest.mark.skipif(not backend.available(), reason="the train extra is not installed")
@pytest.mark.parametrize(("before", "after"), [(None, "highest"), ("tensorfloat32", "tensorfloat32")])
def test_products_are_those_of_float32_unless_the_environment_says_otherwise(before, after):
    """On a GPU JAX rounds the factors to 10 bits by itself: steps of convolutions were 1e-3 off the loop."""
    program = (
        "from sims.fine_tuning.backend import load\n"
        "jax, jnp, _ = load()\n"
        "x = jnp.ones((4, 4), 'float32')\n"
        "print(jax.config.jax_default_matmul_precision, jax.devices()[0].platform)\n"
        "print(jax.jit(lambda a: a @ a).lower(x).as_text())\n"
    )
    names = ("JAX_DEFAULT_MATMUL_PRECISION", "JAX_PLATFORMS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {names[0]: before} if before else {}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[0] == f"{after} cpu", done.stderr
    assert ("HIGHEST" in done.stdout) == (after == "highest")  # of the product itself, in the program


def test_without_the_libraries_one_sentence_says_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    monkeypatch.setenv("XLA_FLAGS", "")
    with pytest.raises(ImportError, match=r"^fine-tuning needs the extra train; install it with .*\[train\]"):
        backend.load.__wrapped__()

"""How the guide is built: `make docs`, without network; formulas become MathML at build time."""

import re
from importlib.metadata import version as installed

from docutils import nodes

project = "snapcut"
author = "the snapcut authors"
copyright = "the snapcut authors, Apache-2.0"
release = version = installed("snapcut")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
autosummary_generate = True
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"  # numpydoc's parameter lists say it in words
numpydoc_show_class_members = False
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "snapcut"
html_math_renderer = "mathml"
suppress_warnings = ["autosummary", "ref.citation"]


def _inline(self, node: nodes.math) -> None:
    from paper_checks.report import mathml

    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self, node: nodes.math_block) -> None:
    from paper_checks.report import mathml

    self.body.append(mathml(node.astext(), display=True))
    raise nodes.SkipNode


def _escape_bars(app, what, name, obj, options, lines: list[str]) -> None:
    """|x| is a norm in these docstrings and a substitution to Sphinx: escape it outside literals."""
    in_math = False
    for i, line in enumerate(lines):
        in_math = line.lstrip().startswith(".. math::") or (in_math and (not line.strip() or line[:1] == " "))
        if not in_math and ">>>" not in line:
            parts = re.split(r"(:math:`[^`]*`|``[^`]*``|`[^`]*`)", line)
            lines[i] = "".join(
                p if p.startswith((":", "`")) else re.sub(r"(?<!\\)\|", r"\|", p) for p in parts
            )


def setup(app) -> None:
    """Typeset formulas with the project's own converter: no script, no font, no request."""
    app.connect(
        "autodoc-process-docstring", _escape_bars, priority=900
    )  # after numpydoc has arranged the text
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))

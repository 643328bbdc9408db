"""How the guide is built: `make docs`, without network; formulas become MathML at build time."""

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
suppress_warnings = ["autosummary"]


def _inline(self, node: nodes.math) -> None:
    from paper_checks.report import mathml

    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self, node: nodes.math_block) -> None:
    from paper_checks.report import mathml

    self.body.append(mathml(node.astext(), display=True))
    raise nodes.SkipNode


def setup(app) -> None:
    """Typeset formulas with the project's own converter: no script, no font, no request."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))

"""How the guide is built: `make docs`, without network; formulas become MathML at build time."""

import importlib
import logging
import pkgutil
import re
import sys
from importlib.metadata import version as installed
from pathlib import Path
from types import ModuleType

from docutils import nodes
from sphinx import addnodes

project = "snapcut"
author = "the snapcut authors"
copyright = "the snapcut authors, Apache-2.0"
release = version = installed("snapcut")

sys.path.insert(0, str(Path(__file__).parent))  # extensions of the guide's own
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser", "reference", "cells"]
myst_heading_anchors = 2  # figures in the gallery
myst_enable_extensions = ["dollarmath", "colon_fence"]
autosummary_generate = True
templates_path = ["_templates"]
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"  # numpydoc's parameter lists say it in words
numpydoc_show_class_members = False
exclude_patterns = ["_build", "_templates"]
html_theme = "furo"
html_title = "snapcut"
html_math_renderer = "mathml"
suppress_warnings = ["autosummary", "ref.citation"]


def _faces() -> dict[str, ModuleType]:
    """The folders that export names, each on behalf of the modules in it."""
    rooms = {}
    for floor in ("theory", "sims", "figures", "paper_checks"):
        for found in pkgutil.iter_modules(importlib.import_module(floor).__path__, f"{floor}."):
            if found.ispkg and hasattr(face := importlib.import_module(found.name), "__all__"):
                rooms[found.name] = face
    return rooms


FACES = _faces()
_modules = [
    (name, found.name) for name, face in FACES.items() for found in pkgutil.iter_modules(face.__path__)
]
# A name is described once, where users import it from: on the page of the face. A module whose own name the
# face exports for a function (sims.checkpoints.read) has no page, as it could not be told from the function.
autosummary_context = {
    "inside": {f"{room}.{module}": room for room, module in _modules},
    "hidden": {f"{room}.{module}" for room, module in _modules if module in FACES[room].__all__},
}


def _described_at_the_face(app, what, name, obj, skip, options) -> bool | None:
    if str(getattr(obj, "__doc__", "")).startswith("Alias for field number"):  # a field named in its class
        return True
    room = autosummary_context["inside"].get(app.env.current_document.autodoc_module)
    exported = room and name in FACES[room].__all__ and getattr(FACES[room], name) is obj
    return True if what == "module" and exported else None


def _inline(self, node: nodes.math) -> None:
    from paper_checks.mathematics import mathml

    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(self, node: nodes.math_block) -> None:
    from paper_checks.mathematics import mathml

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


def _end_the_sidebar_at_the_floors(app, env) -> None:
    """Rooms stand on the page of their floor: in the sidebar of every page they took most of the time."""
    for page, contents in env.tocs.items():
        if page.startswith("api/"):
            for inner in list(contents.findall(addnodes.toctree)):
                inner.parent.remove(inner)


def _bring_the_math_font(app, exception) -> None:
    """The glyphs of all pages in one style sheet: without a math font browsers misplace many scripts."""
    from paper_checks.mathematics import font_face

    if exception is None:
        pages = sorted(Path(app.outdir).rglob("*.html"))
        text = "".join(page.read_text(encoding="utf-8") for page in pages)
        (Path(app.outdir) / "_static" / "math.css").write_text(font_face(text), encoding="utf-8")


def setup(app) -> None:
    """Typeset formulas with the project's own converter and font: no script, no request."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # the theme's colours turn on everybody's messages
    app.add_css_file("math.css")
    app.connect("env-updated", _end_the_sidebar_at_the_floors)
    app.connect("build-finished", _bring_the_math_font)
    app.connect(
        "autodoc-process-docstring", _escape_bars, priority=900
    )  # after numpydoc has arranged the text
    app.connect("autodoc-skip-member", _described_at_the_face)
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))

"""Notebooks as pages: code cells run when the guide is built, and what they show stands below them.

The pages are MyST notebooks (`{code-cell}` blocks), which Jupyter opens through jupytext; running them here
needs no kernel. The cells of a page share one namespace, as in a notebook; an error in one fails the build.
"""

import ast
import base64
import contextlib
import html
import io
import re
from pathlib import Path
from typing import Any

CELL = re.compile(r"^```\{code-cell\}.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(code: str, namespace: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line where that is an expression.

    Examples
    --------
    >>> run("x = 2\\nprint(x)\\nx + 1", {})
    ('2\\n', 3)
    """
    tree = ast.parse(code)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not code.rstrip().endswith(";"):
        last = ast.Expression(tree.body.pop().value)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), namespace)
        value = eval(compile(last, "<cell>", "eval"), namespace) if last is not None else None
    return printed.getvalue(), value


def shown(value: Any) -> str:
    """A value as HTML: by its own `_repr_html_`, a matplotlib figure as a picture, else its repr."""
    if page := getattr(value, "_repr_html_", lambda: None)():  # a matplotlib figure has one that is None
        return f'<div style="overflow-x:auto">{page}</div>'
    if hasattr(value, "savefig"):
        picture = io.BytesIO()
        value.savefig(picture, format="png", dpi=110)
        data = base64.b64encode(picture.getvalue()).decode()
        return f'<img src="data:image/png;base64,{data}" alt="what the cell draws">'
    return f"<pre>{html.escape(repr(value))}</pre>"


def cells(page: Path) -> list[str]:
    """The code of a page's cells, in order."""
    return CELL.findall(page.read_text(encoding="utf-8"))


def setup(app) -> dict[str, bool]:
    """Teach Sphinx the directive `code-cell`."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class CodeCell(SphinxDirective):
        has_content, optional_arguments = True, 1

        def run(self) -> list[nodes.Node]:
            code = "\n".join(self.content)
            page = self.env.docname
            if self.env.temp_data.get("cells of") != page:
                self.env.temp_data.update({"cells of": page, "cells": {}})
            try:
                printed, value = run(code, self.env.temp_data["cells"])
            except Exception as error:
                raise self.error(f"a cell fails: {type(error).__name__}: {error}") from error
            found: list[nodes.Node] = [nodes.literal_block(code, code, language="python")]
            if printed:
                found.append(nodes.literal_block(printed, printed, language="none"))
            if value is not None:
                found.append(nodes.raw("", shown(value), format="html"))
            return found

    app.add_directive("code-cell", CodeCell)
    return {"parallel_read_safe": True}

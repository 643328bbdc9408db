"""What calls from Python return: tables and figures that show themselves in a shell and in a notebook."""

import base64
import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sims.support.output import cell, plain, table_text, visible

if TYPE_CHECKING:
    import matplotlib.figure

    from figures.build import Built


class Table:
    """Rows of results: as text, as a page, as plain values, as a data frame, as a picture.

    Attributes
    ----------
    rows
        A dict per row, the same keys in each; what is shown.
    title
        What the numbers are; may be empty.
    notes
        Sentences below the table.
    source
        What the rows were made from: a `sims.weights.Table`, a list of `sims.support.row.Row`,
        `paper_checks.judge.Judged` or `sims.path_following.LayerRow`, a `sims.layer_bounds` report.

    Examples
    --------
    >>> table = Table([{"n": 4, "P": 0.5}], {"P": 0.5}, notes=["One row."])
    >>> print(table)
    n    P
    4  0.5
    One row.
    >>> table.to_dict()
    {'P': 0.5}
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        content: Mapping[str, Any],
        *,
        title: str = "",
        notes: Sequence[str] = (),
        source: Any = None,
        picture: "Callable[[], matplotlib.figure.Figure] | None" = None,
    ):
        self.rows = [dict(row) for row in rows]
        self.title, self.notes, self.source = title, list(notes), source
        self._content, self._picture = content, picture

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        lines = [table_text(self.rows, self.title or None).rstrip("\n"), *map(visible, self.notes)]
        return "\n".join(line for line in lines if line)

    def _repr_html_(self) -> str:
        return _page(self.rows, self.title, self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: what the command of the same name writes with --json."""
        return plain(dict(self._content))

    def to_pandas(self) -> Any:
        """The rows as a pandas data frame.

        Raises
        ------
        ImportError
            pandas is not installed; the sentence says how to get it.
        """
        return _frame(self.rows)

    def plot(self) -> "matplotlib.figure.Figure":
        """A picture of the rows.

        Raises
        ------
        ValueError
            There is none.
        """
        if self._picture is None:
            raise ValueError("nothing draws this table; its numbers are in .rows and .to_pandas()")
        return self._picture()


class Figure:
    """A figure with its caption and its data.

    Attributes
    ----------
    name, title, caption
        As in the gallery, with the parameters filled in.
    png, pdf
        The drawing as bytes.
    columns
        Its data: arrays of equal length by name.

    Examples
    --------
    >>> from snapcut import figure
    >>> drawn = figure("snr_gaussian", bits=3)
    >>> drawn.to_dict()["parameters"]["bits"], drawn.png[1:4]
    (3, b'PNG')
    """

    def __init__(self, built: "Built"):
        self._built = built
        self.name, self.title, self.caption = built.name, built.title, built.caption
        self.png, self.pdf, self.columns = built.png, built.pdf, built.table

    def __repr__(self) -> str:
        shown = {name: values[:5].tolist() for name, values in self.columns.items()}
        rows = [dict(zip(shown, cells, strict=True)) for cells in zip(*shown.values(), strict=True)]
        count = len(next(iter(self.columns.values()), ()))
        rest = f"... {count - len(rows)} rows more\n" if count > len(rows) else ""
        return f"{self.name}: {self.title}\n{table_text(rows)}{rest}".rstrip("\n")

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self.png).decode()
        title, caption = html.escape(self.title), html.escape(self.caption)
        style = "max-width:100%;height:auto"
        return (
            f'<figure><img src="data:image/png;base64,{picture}" alt="{title}" style="{style}">'
            f"<figcaption><b>{title}</b>. {caption}</figcaption></figure>"
        )

    def to_dict(self) -> dict[str, Any]:
        """The manifest (parameters, versions, caption) and the data by column."""
        data = {name: values.tolist() for name, values in self.columns.items()}
        return {**json.loads(json.dumps(self._built.manifest)), "data": plain(data)}

    def to_pandas(self) -> Any:
        """The data as a pandas data frame; an ImportError says how to get pandas."""
        return _frame(self.columns)

    def plot(self) -> "matplotlib.figure.Figure":
        """The drawing as a matplotlib figure, to be changed or saved."""
        from figures import build

        return build.drawn(self.name, self.columns, self._built.manifest["width"])

    def save(self, folder: str | Path) -> list[Path]:
        """Write NAME.png, .pdf, .csv and .json into a folder, as `snapcut figures` does."""
        from figures import build

        return build.save(self._built, folder)


def dots(title: str, **columns: Any) -> "Callable[[], matplotlib.figure.Figure]":
    """A picture for a table: numbers beside a reference, drawn when it is asked for."""

    def picture() -> "matplotlib.figure.Figure":
        from figures.dots import draw

        return draw(title, **columns)

    return picture


def _frame(data: Any) -> Any:
    try:
        import pandas
    except ImportError:
        raise ImportError("to_pandas needs pandas, which is not installed: pip install pandas") from None
    return pandas.DataFrame(data)


def _page(rows: Sequence[Mapping[str, Any]], title: str, notes: Sequence[str]) -> str:
    """An HTML table; whatever strangers put into names is text in it."""

    def cells(kind: str, values: Sequence[Any]) -> str:
        right = ' style="text-align:right"'
        return "".join(
            f"<{kind}{right if isinstance(value, (int, float)) else ''}>"
            f"{html.escape(visible(cell(value)))}</{kind}>"
            for value in values
        )

    head = f"<thead><tr>{cells('th', list(rows[0]))}</tr></thead>" if rows else ""
    body = "".join(f"<tr>{cells('td', list(row.values()))}</tr>" for row in rows)
    caption = f"<caption>{html.escape(visible(title))}</caption>" if title else ""
    below = "".join(f"<p>{html.escape(visible(note))}</p>" for note in notes)
    return f"<table>{caption}{head}<tbody>{body}</tbody></table>{below}"

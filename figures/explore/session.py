"""One reader's page: its state, the thread that simulates, and what it can download."""

import threading
import time
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes

from figures.explore import pages, picture, view
from figures.explore.page import Page, Series, State, curves_of
from figures.explore.pin import Pinned

_REDRAW = 0.4  # least seconds between pictures of a running simulation ...
_SHARE = 0.2  # ... and at most this share of its time goes into drawing them


def open_page(query: Any) -> tuple[Page, State, list[str]]:
    """Page and state of a link, with a sentence for whatever in it could not be used; a pin is in the state.

    `query` maps names to texts, as a dict or marimo's query parameters do.
    """
    given = {name: query[name] for name in query}
    try:
        page = pages.find(given.get("page"))
    except ValueError as error:
        first = pages.find(None)
        return first, first.defaults(), [str(error)]
    state, problems = page.read(given)
    if "pin" in given:
        pinned, more = Pinned.read(page, str(given["pin"]))
        state, problems = {**state, "pin": pinned}, [*problems, *more]
    return page, state, problems


def state_of(elements: Any, upload: Any, pinned: Pinned | None = None) -> State:
    """The state that the controls show."""
    state = dict(elements.value)
    if pinned is not None:
        state["pin"] = pinned
    if upload is not None and upload.value:
        state["upload"] = (upload.value[0].name, upload.value[0].contents)
    return state


def sentence(error: Exception) -> str:
    """The message of an error as a sentence.

    Examples
    --------
    >>> sentence(ValueError("n must be at least 1, got 0"))
    'n must be at least 1, got 0.'
    """
    text = " ".join(str(error).split())
    return text.rstrip(".") + "."


class Shown:
    """The picture of one state: laws at once, then points as they come.

    Parameters
    ----------
    mo
        The marimo module, or None to draw nowhere.
    page, state
        What to show.
    """

    def __init__(self, mo: Any, page: Page, state: State):
        self.mo, self.page, self.state = mo, page, state
        self.laws: list[Series] = []
        self.points: list[Series] = []
        self.problem = ""
        self._owner = threading.current_thread()  # of the session; it ends a while after its page was closed
        try:
            self.laws = page.curves(state)
        except ValueError as error:
            self.problem = sentence(error)

    def start(self) -> None:
        """Show the laws, then simulate in a thread that ends when the state changes."""
        if self.problem:
            self.mo.output.replace(self.mo.Html(view.notice([self.problem])))
            return
        self._show(running=True)
        self.mo.Thread(target=self._simulate, daemon=True).start()

    def _show(self, running: bool, problem: str = "") -> None:
        html = view.picture(self.page, self.state, self.laws, self.points, running, problem)
        self.mo.output.replace(self.mo.Html(html))

    def _simulate(self) -> None:
        thread = self.mo.current_thread()

        def unwanted() -> bool:
            return thread.should_exit or not self._owner.is_alive()

        due, problem = time.monotonic() + _REDRAW, ""
        try:
            for points in self.page.live(self.state):
                if unwanted():
                    return
                self.points = points
                if (began := time.monotonic()) > due:
                    self._show(running=True)
                    ended = time.monotonic()
                    due = ended + max(_REDRAW, (ended - began) / _SHARE)
        except ValueError as error:
            problem = sentence(error)
        except Exception as error:  # nobody waits for this thread: its error must be seen on the page
            problem = f"internal error, please report it: {type(error).__name__}, {sentence(error)}"
        if not unwanted():
            self._show(running=False, problem=problem)

    def csv(self) -> bytes:
        """Laws and points on screen."""
        pinned = self.state.get("pin")
        return self.page.data([*self.laws, *self.points, *(pinned.laws if pinned else ())])

    def file(self, kind: str) -> bytes:
        """The picture on screen as a file."""
        points = curves_of(self.points)

        def draw(axes: Axes) -> None:
            view.draw(axes, self.page, self.state, self.laws, points, False)

        return picture.export(draw, kind)


def pin_button(mo: Any, shown: Shown, set_pin: Callable[[Pinned | None], None]) -> Any:
    """Keeps the curves on screen to compare with, or lets go of those kept."""
    pinned = shown.state.get("pin")
    state = {p.name: shown.state[p.name] for p in shown.page.parameters}
    return mo.ui.button(
        label="Unpin the dotted curves" if pinned else "Pin these curves",
        on_click=lambda _: set_pin(None if pinned else Pinned(shown.page, state)),
        disabled=bool(shown.problem),
    )


def downloads(mo: Any, shown: Shown, first: str = "") -> str:
    """Buttons that make their file when pressed, beside `first`."""
    if shown.problem:
        return ""
    name = f"snapcut-{shown.page.name}"
    buttons = [mo.download(shown.csv, filename=f"{name}.csv", mimetype="text/csv", label="Data (CSV)")]
    for kind, mimetype in (("pdf", "application/pdf"), ("svg", "image/svg+xml"), ("png", "image/png")):
        buttons.append(
            mo.download(
                lambda kind=kind: shown.file(kind),
                filename=f"{name}.{kind}",
                mimetype=mimetype,
                label=kind.upper(),
            )
        )
    return f'<div class="snapcut-downloads">{first}{"".join(button.text for button in buttons)}</div>'

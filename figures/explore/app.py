# /// script
# [tool.marimo.display]
# theme = "system"
# ///
"""The explorer's notebook: cells only connect controls to the functions of a page."""
# ruff: noqa: D103

import marimo

app = marimo.App(width="full", app_title="snapcut explore")


@app.cell
def heading():
    import marimo as mo

    from figures.explore import pages, session, view

    page, start, problems = session.open_page(mo.query_params())
    get_pin, set_pin = mo.state(start.pop("pin", None))
    mo.Html(view.navigation(pages.LABELS, page.name) + view.notice(problems))
    return get_pin, mo, page, session, set_pin, start, view


@app.cell
def lead(mo, page, view):
    mo.Html(view.lead(mo, page))
    return


@app.cell
def controls(mo, page, start, view):
    elements = mo.ui.dictionary({p.name: view.control(mo, p, start[p.name]) for p in page.parameters})
    upload = view.upload(mo, page)
    mo.Html(view.controls(page, elements, upload))
    return elements, upload


@app.cell
def picture(elements, get_pin, mo, page, session, upload):
    shown = session.Shown(mo, page, session.state_of(elements, upload, get_pin()))
    shown.start()
    return (shown,)


@app.cell
def caption(mo, page):
    mo.md(page.caption)
    return


@app.cell
def keep(mo, session, set_pin, shown):
    pinning = session.pin_button(mo, shown, set_pin)
    mo.Html(session.downloads(mo, shown, pinning.text))
    return (pinning,)


@app.cell
def texts(mo, page, shown, view):
    mo.Html(view.texts(page, shown.state))
    return


if __name__ == "__main__":
    app.run()

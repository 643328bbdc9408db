"""Which Chromium the browser tests drive."""

import os
import shutil
from pathlib import Path

# The first draws no window of its own: a page costs it two thirds of the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
MISSING = f"no Chromium found (looked for $SNAPCUT_CHROMIUM, {', '.join(NAMES)}, playwright's own)"


def chromium() -> str | None:
    """Path of a Chromium: $SNAPCUT_CHROMIUM, one on the path, or playwright's own."""
    from playwright import sync_api

    if chosen := os.environ.get("SNAPCUT_CHROMIUM"):
        return chosen
    for name in NAMES:
        if found := shutil.which(name):
            return found
    with sync_api.sync_playwright() as driver:
        own = driver.chromium.executable_path
    return own if Path(own).exists() else None

"""A browser for the tests: the system's chromium, driven by Playwright."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from etl_assets_tests.missing import lacking

# The machine may be busy: what takes a second here takes ten there.
PATIENCE_MS = 60_000
RUN_MS = 600_000
"""How long a run may take, which starts processes of its own beside those of other tests."""
PICTURES = Path(os.environ["ETL_PICTURES"]) if os.environ.get("ETL_PICTURES") else None
"""The folder of the pictures of README and docs, where `make pictures` makes them."""
_VIEW = {"width": 1440, "height": 900}
_MOST_BYTES = 250_000
_HERE = Path(__file__).parents[2]
_PLACES = [
    [r"[^\s\"']*/dev\d+(?=/)", "/home/me/etl_assets/.etl"],  # the test's folder is its ETL_HOME
    [re.escape(str(_HERE)), "/home/me/etl_assets"],
]
"""Folders of the machine, as patterns, and what a picture says instead."""
_AS_AT_HOME = """places => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode())
    for (const [pattern, place] of places) {
      const said = texts.currentNode.data.replace(new RegExp(pattern, "g"), place);
      if (said !== texts.currentNode.data) texts.currentNode.data = said;
    }
}"""
_NO_NOTICES = "[data-sonner-toaster], [data-sonner-toast] { visibility: hidden !important }"
"""The notice of what was just clicked lies over what a picture is about."""
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def open_page(base_url: str) -> Iterator[Page]:
    """A page whose relative URLs are the UI's; skips the test where there is no chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        lacking("there is no chromium on PATH", "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        context = browser.new_context(base_url=base_url, viewport=_VIEW)
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield context.new_page()
        browser.close()


def picture(page: Page, name: str) -> None:
    """Keep what the page shows as a picture of the docs, if that is what the tests run for."""
    if PICTURES is None:
        return
    page.mouse.move(1, 1)  # else a tooltip may be in it
    page.evaluate("document.activeElement && document.activeElement.blur()")
    page.evaluate(_AS_AT_HOME, _PLACES)
    path = PICTURES / f"{name}.png"
    page.wait_for_timeout(
        700
    )  # what fades in and what is drawn on a canvas has no state to wait for
    page.screenshot(path=str(path), style=_NO_NOTICES)
    assert path.stat().st_size <= _MOST_BYTES, f"{path} is too large for a page"


def fit_graph(page: Page) -> None:
    """For a picture: have all of the graph of a lineage in view, which begins at the table."""
    button = page.locator("[aria-label=zoom_out]")
    if PICTURES is None or not button.count():
        return
    button.last.click()
    page.wait_for_timeout(500)  # it moves, and has no state to wait for


def expand_graph(page: Page, width: int = 1440, height: int = 4600) -> None:
    """Open the global asset graph with all its groups expanded, and all of it in view."""
    # Assets outside of the view are not there at all, and the demo's graph is higher than a screen.
    page.set_viewport_size({"width": width, "height": height})
    page.goto("/asset-groups")
    page.locator("[aria-label=unfold_more]").first.wait_for()
    page.locator("[aria-label=settings]").last.click()
    page.get_by_role("menuitem", name="Expand all groups").click()


def choose_partitions(page: Page, asset: str, partitions: str) -> None:
    """Open an asset's dialog to materialise it and put these partitions in."""
    page.goto(f"/assets/{asset}?view=partitions")
    page.get_by_role("button", name="Materialize").first.click()
    chosen = page.locator("[role=dialog] input[type=text]").first
    chosen.fill(partitions)
    chosen.press("Enter")


def watch_run(page: Page) -> str:
    """Follow the notice of a launched run to its end; its id."""
    page.get_by_role("button", name="View", exact=True).or_(
        page.get_by_role("link", name="View", exact=True)
    ).click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
    # Not the event RUN_SUCCESS: the page draws only those events of a long list that are in view.
    ended = page.get_by_text(re.compile(r"^(Success|Failure|Canceled)$")).first
    expect(ended).to_be_visible(timeout=RUN_MS)
    expect(ended).to_have_text("Success")
    found = re.search(r"/runs/([0-9a-f-]{36})", page.url)
    assert found
    return found[1]

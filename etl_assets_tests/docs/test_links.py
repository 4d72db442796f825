"""Links of README.md and docs/ lead somewhere, read as files on GitHub and as the built site."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from etl_assets_tests.docs.pages import DOCS, anchors_of, links_of, name_of, pages
from etl_assets_tests.docs.site import build_site

_LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
}
_SERVER = "http://site.invalid/"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of docs/, built as `make docs` builds it: strictly."""
    return build_site(tmp_path_factory.mktemp("site"))


class Page(HTMLParser):
    """The ids of a page, its links, and what a browser loads for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.ids.add(value)
            if tag == "a" and name == "href":
                self.links.append(value)
            if (tag, name) in _LOADED and ("rel", "canonical") not in attrs:
                self.loads.append(value)


def test_links_between_files_lead_to_a_file_and_a_heading() -> None:
    broken = [
        f"{name_of(page)}: {target}"
        for page in pages()
        for target in links_of(page.read_text(encoding="utf-8"))
        if not _resolves(page, target)
    ]
    assert not broken


def _resolves(page: Path, target: str) -> bool:
    if urlsplit(target).scheme:
        return True
    path, _, anchor = target.partition("#")
    there = (page.parent / unquote(path)).resolve() if path else page
    if not there.exists():
        return False
    # Headings that are made of docstrings are seen in the built site only.
    if not anchor or there.suffix != ".md" or there.parent.name == "reference":
        return True
    return anchor in anchors_of(there.read_text(encoding="utf-8"))


@pytest.mark.thorough
def test_every_page_is_in_the_navigation_of_the_site(site: Path) -> None:
    home = Page(site / "index.html")
    linked = {urlsplit(urljoin(_SERVER, link)).path.strip("/") for link in home.links}
    written = {
        path.relative_to(DOCS).with_suffix("").as_posix()
        for path in DOCS.rglob("*.md")
        if path.name != "index.md"
    }
    assert written <= linked


def test_links_within_the_built_site_lead_to_a_page_and_an_anchor(site: Path) -> None:
    read = {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    assert len(read) > 15
    broken = [
        f"{path.relative_to(site)}: {link}"
        for path, page in read.items()
        for link in [*page.links, *page.loads]
        if not _is_there(site, read, path, link)
    ]
    assert not broken


def _is_there(site: Path, read: dict[Path, Page], path: Path, link: str) -> bool:
    base = _SERVER + path.relative_to(site).as_posix()
    url = urlsplit(urljoin(base, link))
    if f"{url.scheme}://{url.netloc}/" != _SERVER:
        return True
    there = site / unquote(url.path).lstrip("/")
    if there.is_dir():
        there = there / "index.html"
    if not there.is_file():
        return False
    return not url.fragment or there not in read or unquote(url.fragment) in read[there].ids


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    assert not list(_loaded_from_elsewhere(site))


def _loaded_from_elsewhere(site: Path) -> Iterator[str]:
    for path in site.rglob("*.html"):
        for loaded in Page(path).loads:
            if urlsplit(loaded).netloc:
                yield f"{path.relative_to(site)} loads {loaded}"
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            yield f"{path.relative_to(site)} loads from elsewhere"

"""`etl-assets add-table` for files and for HTTP APIs: what is written loads without editing."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from etl_assets.core.http_specs import (
    CursorPages,
    HttpApi,
    LinkHeader,
    NextUrl,
    NoPages,
    Offsets,
    PageNumbers,
)
from etl_assets.core.source_specs import Files
from etl_assets.table_modules import tables_from
from etl_assets_tests.cli.conftest import Shop
from etl_assets_tests.http_api.server import Asked, Reply, said, serve
from etl_assets_tests.importable import importable
from etl_assets_tests.s3_server import S3Server

ITEMS = [
    {
        "id": n,
        "created_at": f"2024-01-{1 + n % 28:02}T08:00:00Z",
        "updated_at": f"2024-02-01T00:00:{n % 60:02}Z",
        "amount": n * 1.5,
        "email": f"p{n}@example.org",
        "class": "x",
        "customer": {"name": "Ann"},
        "note": None if n % 3 else "late",
        **({"rare": 1} if n == 7 else {}),
    }
    for n in range(1, 251)
]
PAGE = 100


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Shop]:
    """A package without tables."""
    package = tmp_path / "api_company" / "tables"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    environment = {
        "ETL_TABLES": "api_company.tables",
        "ETL_HOME": str(tmp_path / "home"),
        "ETL_LAST_DAY": "2024-01-03",
        "HTTP_API_PATIENCE_SECONDS": "1",
        "WAREHOUSE_URL": f"duckdb://{tmp_path}/warehouse.duckdb",
    }
    with importable(tmp_path):
        yield Shop("", tmp_path, environment)


def added(company: Shop, *arguments: str) -> str:
    done = company.run("add-table", *arguments)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def source_of(name: str) -> Any:
    catalog = tables_from(["api_company.tables"])
    assert not catalog.errors
    return catalog[f"raw/{name}"].source


def loaded(company: Shop, name: str) -> list[tuple[Any, ...]]:
    """Load the table by the command, and read it past the platform."""
    done = company.run("backfill", f"raw/{name}", f"staged/{name}")
    assert done.exit_code == 0, done.output
    with duckdb.connect(company.environment["WAREHOUSE_URL"].removeprefix("duckdb://")) as found:
        rows = found.execute(f"SELECT id, amount FROM staged.{name} ORDER BY id").fetchall()
        assert found.execute("SELECT count(*) FROM etl.etl_quarantine").fetchone() == (0,)
    return rows


def at(asked: Asked, param: str) -> int:
    return int(asked.params.get(param, "0") or 0)


def cursors(asked: Asked) -> Reply:
    begin = at(asked, "page_token")
    more = str(begin + PAGE) if begin + PAGE < len(ITEMS) else None
    paging = {"total": len(ITEMS), "next_page_token": more}
    return said({"payments": ITEMS[begin : begin + PAGE], "paging": paging})


def numbers(asked: Asked) -> Reply:
    begin = (at(asked, "page") - 1) * PAGE
    page = {"page": at(asked, "page"), "total_pages": 3}
    return said({"meta": page, "results": ITEMS[max(begin, 0) : max(begin, 0) + PAGE]})


def links(asked: Asked) -> Reply:
    begin = at(asked, "after")
    more = {"Link": f'</v1/payments?after={begin + PAGE}>; rel="next"'}
    return said(ITEMS[begin : begin + PAGE], **(more if begin + PAGE < len(ITEMS) else {}))


def urls(asked: Asked) -> Reply:
    begin = at(asked, "after")
    more = f"/v1/payments?after={begin + PAGE}" if begin + PAGE < len(ITEMS) else None
    return said({"items": ITEMS[begin : begin + PAGE], "links": {"next": more}})


def offsets(asked: Asked) -> Reply:
    begin = at(asked, "offset")
    return said({"records": ITEMS[begin : begin + PAGE], "offset": begin, "limit": PAGE})


def whole(_asked: Asked) -> Reply:
    return said(ITEMS)


PAGINATIONS: Sequence[tuple[Callable[[Asked], Reply], Any, str]] = [
    (cursors, CursorPages("page_token", "paging.next_page_token"), "payments"),
    (numbers, PageNumbers(), "results"),
    (links, LinkHeader(), ""),
    (urls, NextUrl("links.next"), "items"),
    (offsets, Offsets(), "records"),
    (whole, NoPages(), ""),
]


@pytest.mark.parametrize(
    ("answers", "pagination", "items"), PAGINATIONS, ids=lambda one: getattr(one, "__name__", "")
)
def test_how_pages_follow_is_found_by_asking(
    company: Shop, answers: Callable[[Asked], Reply], pagination: Any, items: str
) -> None:
    with serve(answers) as api:
        told = added(company, f"{api.url}/v1/payments")
        source = source_of("payments")
    assert isinstance(source, HttpApi)
    assert (source.pagination, source.items) == (pagination, items)
    assert "Key id: it came once each" in told


@pytest.mark.thorough_but("links")
@pytest.mark.parametrize("answers", [cursors, links], ids=lambda one: one.__name__)
def test_a_list_of_an_api_loads_as_it_was_written(
    company: Shop, answers: Callable[[Asked], Reply]
) -> None:
    with serve(answers) as api:
        added(company, f"{api.url}/v1/payments?status=paid")
        assert source_of("payments").params == {"status": "paid"}
        rows = loaded(company, "payments")
    assert [(number, float(amount)) for number, amount in rows] == [
        (item["id"], item["amount"]) for item in ITEMS
    ]
    table = tables_from(["api_company.tables"])["raw/payments"]
    assert {c.name for c in table.columns if not c.nullable} == {"id"}
    assert [c.name for c in table.columns if c.personal] == ["email"]
    assert table.column("customer").logical == "json"
    assert table.column("created_at").dtype == pl.Datetime("us", "UTC")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (said({"a": 1}), "has no list of objects"),
        (said([]), "is empty, so nothing is known"),
        (said([{"v": 1}, {"v": 1}]), "have no field that tells them apart"),
        (said({"error": "no"}, 404), "404"),
        (Reply(b"<html>"), "has no list of objects"),
    ],
)
def test_an_answer_that_is_no_list_is_told(company: Shop, reply: Reply, told: str) -> None:
    with serve(lambda _asked: reply) as api:
        done = company.run("add-table", f"{api.url}/v1/payments")
    assert done.exit_code == 1
    assert told in done.stderr
    assert "did not expect" not in done.stderr


def test_what_an_api_is_shown_stands_in_no_module(company: Shop) -> None:
    with serve(cursors) as api:
        settings = {"HTTP_API_URL_PAY": api.url, "HTTP_API_TOKEN_PAY": "s3cr3t"}
        shop = company.with_environment(**settings)
        told = added(shop, f"{api.url}/v1/payments", "--connection", "pay")
        assert api.asked[0].headers["authorization"] == "Bearer s3cr3t"
    module = (company.folder / "api_company" / "tables" / "payments.py").read_text()
    assert "s3cr3t" not in module + told
    assert 'connection="pay"' in module


CSV = """id,email,amount,when
{0}1,a@b.org,1.50,2024-01-{0}T10:00:00Z
{0}2,,2.25,2024-01-{0}T11:00:00Z
"""


def drops(kind: str) -> dict[str, bytes]:
    """Three days of files."""
    found = {}
    for day in ("01", "02", "03"):
        rows = [{"id": int(f"{day}{n}"), "amount": n * 1.25} for n in (1, 2)]
        if kind == "csv":
            content = CSV.format(day).encode()
        elif kind == "jsonl":
            content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        else:
            from io import BytesIO

            frame, out = pl.DataFrame(rows), BytesIO()
            frame.write_parquet(out)
            content = out.getvalue()
        found[f"orders/2024/01/{day}/part.{kind}"] = content
    return found


@pytest.mark.thorough_but("csv")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_files_load_as_they_were_written_with_the_day_of_their_path(
    company: Shop, tmp_path: Path, kind: str
) -> None:
    for key, content in {**drops(kind), "orders/readme.md": b"# no table"}.items():
        path = tmp_path / "drop" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    told = added(company, f"{tmp_path}/drop/orders/*.{kind}")
    assert "Day day: the keys of the files say it." in told
    source = source_of("orders")
    assert isinstance(source, Files)
    assert source.pattern.startswith("{day:%Y/%m/%d}/")
    assert len(loaded(company, "orders")) == 6


def test_files_of_a_bucket_are_added_and_the_module_is_formatted(
    company: Shop, s3: S3Server
) -> None:
    bucket = s3.bucket()
    for key, content in drops("csv").items():
        s3.put(bucket, key, content)
    settings = s3.settings(bucket)
    where = {"OBJECT_STORE_ENDPOINT": settings.endpoint or "", **settings.credentials}
    shop = company.with_environment(**where)
    added(shop, f"s3://{bucket}/orders", "--as", "drops")
    folder = company.folder
    (folder / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    ruff = str(Path(sys.executable).with_name("ruff"))
    for command in (["format", "--check"], ["check", "--select", "E,F,I,N,D101,RUF,UP"]):
        done = subprocess.run(
            [ruff, *command, "api_company", "tests"], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
    table = tables_from(["api_company.tables"])["raw/drops"]
    assert [c.name for c in table.columns if c.personal] == ["email"]

"""The Dagster component `etl_assets.SourceTable`: a table in YAML, for `dg` and the UI.

What YAML may say is `yaml_tables/`, which the command line reads without Dagster: both make the
same spec. `etl_assets.definitions` builds the assets of every table of a project, those in YAML
among them; this class builds those of one table, for who loads its folder.
"""

from pathlib import Path
from typing import cast

import dagster as dg
from pydantic import BaseModel, Field

from etl_assets.config import read_settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.errors import SpecError
from etl_assets.core.placing import Declared
from etl_assets.orchestration.build import arrival_checks, table_assets
from etl_assets.orchestration.places import source_uri
from etl_assets.orchestration.source_assets import source_asset
from etl_assets.scaffold.templates import filled
from etl_assets.sources.factory import Sources
from etl_assets.warehouse.names import fitting
from etl_assets.yaml_tables.documents import TYPE
from etl_assets.yaml_tables.files import FILE
from etl_assets.yaml_tables.table import SourceTableYaml


class SourceTableParams(BaseModel):
    """What `dg scaffold defs etl_assets.SourceTable payments` may be told."""

    table: str | None = Field(
        None, description="The table of the database, if it has another name."
    )
    connection: str = Field("default", description="The database: DATABASE_URL_<CONNECTION>.")


class SourceTableScaffolder(dg.Scaffolder[SourceTableParams]):
    """Writes a `defs.yaml` that loads, to be edited."""

    @classmethod
    def get_scaffold_params(cls) -> type[SourceTableParams]:
        """The table and its connection."""
        return SourceTableParams

    def scaffold(self, request: dg.ScaffoldRequest[SourceTableParams]) -> None:
        """Raises SpecError where Python is asked for: that is a module with a `TABLE`."""
        if request.scaffold_format != "yaml":
            raise SpecError(
                f"{TYPE} is written in YAML alone.",
                "For a table in Python write a module with a TABLE (docs/adding-a-table.md).",
            )
        folder = request.target_path.parent if request.append else request.target_path
        name = folder.name
        text = filled(
            "table.yaml",
            name=name,
            table=request.params.table or name,
            connection=request.params.connection,
        )
        if request.append:
            with request.target_path.open("a", encoding="utf-8") as file:
                file.write(f"---\n{text}")
        else:
            (folder / FILE).write_text(text, encoding="utf-8")


@dg.scaffold_with(SourceTableScaffolder)
class SourceTable(dg.Component):
    """A table of a database, of files or of an HTTP API that needs no code.

    It is landed in `raw/<name>` and published in `staged/<name>` day by day, checked before anyone
    sees it.
    """

    def __init__(self, table: SourceTableYaml, place: Path | None = None) -> None:
        self.table, self.place = table, place

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """What its attributes may be."""
        return SourceTableYaml

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "SourceTable":
        """From attributes that the model has checked already."""
        return cls(cast(SourceTableYaml, attributes), context.path)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The assets and checks of both layers; raises SpecError for a spec that cannot be.

        What runs them are the resources of `etl_assets.definitions`.
        """
        del context
        settings = read_settings()
        catalog = fitting(Catalog.of([Declared(self.table.spec())]), settings)
        if catalog.errors:
            raise SpecError(" ".join(catalog.errors), "", self.table.name)
        sources = Sources(settings)
        return dg.Definitions(
            assets=[
                *(
                    source_asset(table, source_uri(sources, table))
                    for table in catalog.values()
                    if table.source
                ),
                *table_assets(settings, catalog),
            ],
            asset_checks=arrival_checks(catalog),
        )

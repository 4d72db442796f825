"""Dagster's code location, from the settings of the environment; nothing else happens at import."""

from etl_assets.config import read_settings
from etl_assets.orchestration.build import build_definitions

defs = build_definitions(read_settings())

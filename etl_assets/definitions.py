"""Dagster's code location, from the settings of the environment; nothing else happens at import.

Tables whose spec is wrong are left out; the code location loads without them and logs why. Where
Dagster only checks the definitions (`dg check defs`), a table that is wrong is an error.
"""

import logging

from etl_assets.config import read_settings
from etl_assets.core.errors import SpecError
from etl_assets.orchestration.build import build_definitions
from etl_assets.table_modules import tables_from
from etl_assets.warehouse.names import fitting

_settings = read_settings()
_catalog = fitting(tables_from(_settings.tables), _settings)
if _settings.strict and _catalog.errors:
    raise SpecError(" ".join(_catalog.errors), "Elsewhere these tables are left out.")
for _error in _catalog.errors:
    logging.getLogger(__name__).error(_error)

defs = build_definitions(_settings, _catalog)

"""Settings: what the rest of the platform asks of them. Only `environment.py` reads any."""

from etl_assets.config.environment import (
    child_environment,
    has_google_account,
    login_shell,
    read_settings,
)
from etl_assets.config.parts import (
    FilesSettings,
    HttpSettings,
    ObjectStoreSettings,
    SyncSettings,
    WarehousePool,
    WebhookSettings,
    WebhookSource,
)
from etl_assets.config.settings import (
    DEMO_LAST_DAY,
    DEMO_TABLES,
    FIRST_DAY,
    MALFORMED,
    SHOP_TABLES,
    Settings,
    database_variable,
    shown_url,
)

__all__ = [
    "DEMO_LAST_DAY",
    "DEMO_TABLES",
    "FIRST_DAY",
    "MALFORMED",
    "SHOP_TABLES",
    "FilesSettings",
    "HttpSettings",
    "ObjectStoreSettings",
    "Settings",
    "SyncSettings",
    "WarehousePool",
    "WebhookSettings",
    "WebhookSource",
    "child_environment",
    "database_variable",
    "has_google_account",
    "login_shell",
    "read_settings",
    "shown_url",
]

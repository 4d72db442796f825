"""The sources of the shop's events: its own API, files of partners, and a partner's webhook."""

from etl_assets.core.http_specs import CursorPages, HttpApi
from etl_assets.events.mapping import partner_files, partner_webhook, shop_api
from etl_assets.events.sources import EventSource

SOURCES = (
    EventSource(
        "shop_api",
        shop_api.said,
        api=HttpApi("/events", items="events", pagination=CursorPages(), connection="shop_events"),
    ),
    EventSource("partner_files", partner_files.said, drops="partner_events/**.jsonl*"),
    EventSource("partner_webhook", partner_webhook.said),
)
"""By HTTP_API_URL_SHOP_EVENTS, in OBJECT_STORE_URL, and to `etl-assets webhook serve`."""

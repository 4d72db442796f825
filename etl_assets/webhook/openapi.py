"""The OpenAPI document of the service: what may be sent, and everything that may be answered.

The tests fuzz the service against it. How a call is signed is described in words: OpenAPI knows no
scheme for it.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from etl_assets.config import WebhookSettings

_Json = Mapping[str, Any]

_ERROR: Final[_Json] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
_EVENT: Final[_Json] = {
    "type": "object",
    "description": "One event. Its id is `event_id`, or else `id`.",
}
_BODY: Final[_Json] = {
    "oneOf": [
        _EVENT,
        {"type": "array", "items": _EVENT, "description": "Several events."},
    ],
    "description": "An object whose only member is a list `events` is several events as well.",
}
_SIGNED: Final = (
    "Signed by Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`), or by "
    "the source's own scheme: `x-hub-signature-256` (GitHub), `stripe-signature` (Stripe)."
)
_AFTER: Final[_Json] = {
    "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}
}


def document(settings: WebhookSettings) -> _Json:
    """The document, for these settings; sources and secrets are not in it."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "etl_assets webhooks", "version": version("etl_assets")},
        "paths": {
            "/webhooks/{source}": {"post": _call(settings)},
            "/health": {"get": _get("The process is there.")},
            "/ready": {
                "get": _get(
                    "A call that comes now would be kept: in the database, or in the spool.",
                    {"503": _answer("Neither has room now.", _state(), _AFTER)},
                )
            },
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "The counters, in Prometheus' text format.",
                    "responses": {
                        "200": {
                            "description": "The counters.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        }
                    },
                }
            },
            "/openapi.json": {"get": _get("This document.")},
        },
    }


def _call(settings: WebhookSettings) -> _Json:
    return {
        "operationId": "receive",
        "summary": "Receive events; 2xx is answered when they are committed.",
        "description": _SIGNED,
        "parameters": [
            {
                "name": "source",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
            },
            *(
                {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
                for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
            ),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
        "responses": {
            "200": _answer("Committed in the database.", _kept("landed")),
            "202": _answer(
                "The database is away: on disk here, landed when it is back.", _kept("spooled")
            ),
            "400": _answer("Not JSON, or no event in it.", _ERROR),
            "401": _answer("Not signed by the source, or not in the last five minutes.", _ERROR),
            "404": _answer("No such source.", _ERROR),
            "408": _answer(f"The body did not come within {settings.read:g} seconds.", _ERROR),
            "409": _answer("The webhook-id came before with another body.", _ERROR),
            "413": _answer(f"The body has more than {settings.body_bytes} bytes.", _ERROR),
            "415": _answer("Not application/json in UTF-8, or compressed.", _ERROR),
            "429": _answer(f"More than {settings.rate} calls in a second.", _ERROR, _AFTER),
            "503": _answer("Neither database nor spool has room now.", _ERROR, _AFTER),
        },
    }


def _get(what: str, more: _Json | None = None) -> _Json:
    name = what.split(" ", 1)[0].lower()
    return {
        "operationId": f"get_{name}",
        "summary": what,
        "responses": {"200": _answer(what, {"type": "object"}), **(more or {})},
    }


def _kept(status: str) -> _Json:
    return {
        "type": "object",
        "required": ["status", "events"],
        "properties": {
            "status": {"const": status},
            "events": {"type": "integer", "minimum": 0, "description": "How many there were."},
        },
    }


def _state() -> _Json:
    return {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"enum": ["ok", "spooling", "away"]}},
    }


def _answer(what: str, schema: _Json, headers: _Json | None = None) -> _Json:
    answer = {"description": what, "content": {"application/json": {"schema": schema}}}
    return {**answer, "headers": headers} if headers else answer

"""The CRM's API, as objects that were checked: one contact, or all of them.

How requests are sent again, and what an answer must be, is `sources/http/`. The raw table does not
come this way: it keeps what the API said, byte for byte.
"""

from collections.abc import Iterator
from urllib.parse import quote

from pydantic import ValidationError

from etl_assets.conform.schema.crm import CrmContact
from etl_assets.core.errors import SourceError
from etl_assets.core.http_specs import HttpApi
from etl_assets.sources.http.answers import Answer, WrongAnswer
from etl_assets.sources.http.client import CursorExpired, HttpClient
from etl_assets.sources.http.pages import pages
from etl_assets.sources.http.paging import Request


class CrmClient:
    """`api` is the list of contacts, as the table's spec has it."""

    def __init__(self, client: HttpClient, api: HttpApi) -> None:
        self._client, self._api = client, api

    def contact(self, contact_id: str) -> CrmContact | None:
        """One contact, None where the CRM has none of that number.

        Raises SourceUnavailable and SourceError as the list does.
        """
        url = f"{self._client.url_of(self._api)}/{quote(contact_id, safe='')}"
        try:
            # 404 is an answer here, as an expired cursor is one of a list.
            return self._client.get(Request(url, {}), _one, expired=(404,))
        except CursorExpired:
            return None

    def contacts(self) -> Iterator[CrmContact]:
        """All contacts, page by page; raises SourceError for one that cannot be used."""
        for page in pages(self._api, self._client):
            for number, item in enumerate(page.items, 1):
                try:
                    yield CrmContact.model_validate_json(item)
                except ValidationError as error:
                    raise SourceError(
                        f"Item {number} of page {page.number} of {self._api.system} is no contact: "
                        f"{_fields(error)}.",
                        "Load raw/crm_contacts: it takes the others, and sets this one aside.",
                    ) from None


def _one(answer: Answer) -> CrmContact:
    try:
        return CrmContact.model_validate_json(answer.body)
    except ValidationError as error:
        raise WrongAnswer(f"is no contact: {_fields(error)}") from None


def _fields(error: ValidationError) -> str:
    """Fields and kinds of error, without values: those are personal."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return ", ".join(f"{'.'.join(map(str, one['loc']))} ({one['type']})" for one in found)

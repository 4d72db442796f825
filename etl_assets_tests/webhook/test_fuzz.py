"""The service against its own OpenAPI document: each answer is one that the document names."""

from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from etl_assets_tests.webhook.service import Service, signed

FEW, MANY = 15, 1_000


class Signed(requests.auth.AuthBase):
    """Signs whatever is sent, as the last thing before it is."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        headers = dict(signed(body.encode() if isinstance(body, str) else body))
        del headers["content-type"]  # what it says of itself is fuzzed as well
        request.headers.update(headers)
        return request


def fuzz(service: Service, examples: int, mode: GenerationMode, **fixed: Any) -> Counter[int]:
    """The statuses of that many random calls of each path, each checked against the document."""
    schema = schemathesis.openapi.from_dict(service.get("/openapi.json").json)
    statuses: Counter[int] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()
        is_call = operation.path.startswith("/webhooks")
        if mode is GenerationMode.NEGATIVE and not is_call:
            continue  # there is nothing in them that could be wrong

        @settings(
            max_examples=examples if is_call else 2,
            deadline=None,
            database=None,
            derandomize=examples == FEW,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode, **(fixed if is_call else {})))
        def check(case: Any) -> None:
            answer = case.call(base_url=service.base, auth=Signed())
            case.validate_response(answer)
            statuses[answer.status_code] += 1

        check()
    return statuses


SHOP = {"path_parameters": {"source": "shop"}}


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.soak)])
def test_w2_every_event_that_the_document_allows_is_kept(service: Service, examples: int) -> None:
    assert fuzz(service, examples, GenerationMode.POSITIVE, **SHOP).keys() == {200}


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.soak)])
def test_w2_every_call_that_it_does_not_allow_is_refused(service: Service, examples: int) -> None:
    statuses = fuzz(service, examples, GenerationMode.NEGATIVE, **SHOP)
    print(f"\n{dict(statuses)}")
    assert statuses.keys() <= {400, 401, 404, 413, 415}


def test_w2_calls_of_any_source_are_answered_as_the_document_says(service: Service) -> None:
    assert 404 in fuzz(service, FEW, GenerationMode.POSITIVE)

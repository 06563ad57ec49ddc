"""The page and the API ask a host for its key; a person decides on the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from rollcast.fleet.actions import import_host_rows
from rollcast.fleet.models import Host, HostKey
from tests.demo.fleets import RunningFleet, running_fleet

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), hosts=1) as one:
        yield one


@pytest.fixture
def host(fleet: RunningFleet) -> Host:
    import_host_rows([{**fleet.rows[0], "host_key": "", "name": "new-01"}], "rows", "cli:olga")
    return Host.objects.get()


def test_a_look_a_decision_and_the_host_is_trusted(host: Host, client: Client) -> None:
    seen = client.post("/fleet/new-01/look", follow=True).content.decode()
    key = HostKey.objects.get()
    assert key.state == "pending"
    assert key.fingerprint in seen
    client.post("/fleet/new-01/trust", {"fingerprint": key.fingerprint})
    key.refresh_from_db()
    assert key.state == "pinned"
    again = client.post("/fleet/new-01/look", follow=True).content.decode()
    assert "The host shows the key that is trusted." in again


def test_page_and_api_name_a_host_that_does_not_answer(host: Host, client: Client) -> None:
    Host.objects.update(port=1)
    page = client.post("/fleet/new-01/look")
    assert page.status_code == 422
    assert "new-01 (127.0.0.1:1) cannot be reached by SSH" in page.content.decode()
    said = client.post("/api/hosts/new-01/look", content_type="application/json")
    assert said.status_code == 422
    assert said.json()["problems"][0]["code"] == "host_unreachable"

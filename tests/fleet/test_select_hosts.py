"""Selecting hosts of the inventory, and what the admin site may do with it."""

from __future__ import annotations

import pytest
from django.contrib.admin.sites import site
from django.contrib.auth import get_user_model
from django.test import Client

from rollcast.engine.problems import InputError
from rollcast.fleet.actions import import_hosts
from rollcast.fleet.models import Credential, Host, HostKey
from rollcast.fleet.queries import host_row, select_hosts

pytestmark = pytest.mark.django_db


def fleet() -> None:
    import_hosts(
        "name,address,labels\nus-01,h,zone=us\neu-02,h,zone=eu tag=maint\neu-01,h,zone=eu\nEU-00,h,\n",
        "f.csv",
        "cli:olga",
    )


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", ["EU-00", "eu-01", "eu-02", "us-01"]),
        ("zone=eu", ["eu-01", "eu-02"]),
        ("tag!=maint zone=eu", ["eu-01"]),
    ],
)
def test_hosts_are_selected_in_name_order(selector: str, names: list[str]) -> None:
    fleet()
    assert [host.name for host in select_hosts(selector)] == names


def test_a_selector_that_selects_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="The fleet is empty: import hosts first"):
        select_hosts("")
    fleet()
    with pytest.raises(InputError, match="“zone=mars” selects none of 4 hosts") as refused:
        select_hosts("zone=mars")
    assert (refused.value.problems[0].code, refused.value.problems[0].field) == (
        "selection_empty",
        "selector",
    )


def test_an_unknown_host_has_no_row() -> None:
    assert host_row("eu-01") is None


def test_the_admin_site_shows_the_inventory_and_changes_nothing() -> None:
    fleet()
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root", "", "secret"))
    host = Host.objects.get(name="eu-01")
    for model in (Host, HostKey, Credential):
        assert model in site._registry
        base = f"/admin/rollcast_fleet/{model._meta.model_name}/"
        assert client.get(base).status_code == 200
        assert client.get(f"{base}add/").status_code == 403
    change = f"/admin/rollcast_fleet/host/{host.pk}/change/"
    assert client.get(change).status_code == 200
    assert client.post(change, {"name": "other"}).status_code == 403
    assert client.post(f"/admin/rollcast_fleet/host/{host.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Host.objects.filter(name="eu-01").exists()

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ctanalytics.app.accounts.directory import import_accounts, import_users
from ctanalytics.app.accounts.sync import sync
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.records import schema
from ctanalytics.settings import Settings
from tests import builders, lakes
from tests.aws_server import Server, aws_server

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lakes.empty(tmp_path / "lake")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        yield running


def directory(lake: Lake) -> dict[str, dict[str, object]]:
    with lake.engine() as engine:
        rows = engine.sql("from account_directory").to_pylist()
    return {str(row["account_id"]): row for row in rows}


def test_accounts_come_with_their_units_and_tags(server: Server, lake: Lake) -> None:
    client = server.client("organizations", "us-east-1")
    client.create_organization(FeatureSet="ALL")
    root = client.list_roots()["Roots"][0]["Id"]
    unit = client.create_organizational_unit(ParentId=root, Name="Workloads")["OrganizationalUnit"]
    inner = client.create_organizational_unit(ParentId=unit["Id"], Name="Shop")
    made = client.create_account(AccountName="shop-prod", Email="shop@example.com")
    account = made["CreateAccountStatus"]["AccountId"]
    client.move_account(
        AccountId=account,
        SourceParentId=root,
        DestinationParentId=inner["OrganizationalUnit"]["Id"],
    )
    tags = [{"Key": "Environment", "Value": "production"}, {"Key": "owner", "Value": "shop team"}]
    client.tag_resource(ResourceId=account, Tags=tags)
    found = sync(lake, settings=Settings(), now=NOON)
    assert found.rows == 2
    row = directory(lake)[account]
    assert (row["account_name"], row["ou"]) == ("shop-prod", "Shop")
    assert row["ou_path"] == "Root/Workloads/Shop"
    assert (row["environment"], row["owner"]) == ("production", "shop team")


def test_a_file_adds_to_what_is_known_and_every_view_has_the_name(
    lake: Lake, tmp_path: Path
) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text("account_id,name,environment\n111122223333,prod,\n000000000123,dev,test\n")
    import_accounts(file, lake, now=NOON)
    file.write_text("account_id,environment,owner\n111122223333,production,payments\n")
    import_accounts(file, lake, now=NOON + dt.timedelta(hours=1))
    row = directory(lake)["111122223333"]
    assert (row["account_name"], row["environment"]) == ("prod", "production")
    lake.append("events", pa.Table.from_pylist([builders.event(NOON)], schema.EVENTS))
    with lake.engine() as engine:
        for view in ("accounts", "users", "regions", "services", "changes", "sessions"):
            columns = engine.sql(f"from {view}").column_names
            assert {"account_name", "environment"} <= set(columns), view
        assert engine.sql("select account_name as n from users").to_pylist() == [{"n": "prod"}]


def test_names_of_users_stand_beside_their_sessions(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("user_id,user_name\nu-1,dora\n")
    import_users(file, lake, now=NOON)
    event = builders.event(NOON, credential_id="c-1", on_behalf_of_user_id="u-1")
    lake.append("events", pa.Table.from_pylist([event], schema.EVENTS))
    with lake.engine() as engine:
        (row,) = engine.sql("from sessions").to_pylist()
    assert (row["kind"], row["on_behalf_of_user_name"]) == ("token", "dora")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("account_id,name\n1111,x\n", "line 2: '1111' is no account id"),
        ("name\nx\n", "the column account_id is missing"),
        ("account_id,colour\n111122223333,red\n", "there is no column 'colour'"),
        ("account_id\n111122223333,red\n", "line 2: more cells than columns"),
        ("", "the column account_id is missing"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong_and_nothing_is_taken(
    lake: Lake, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        import_accounts(file, lake, now=NOON)
    assert said in caught.value.what
    assert directory(lake) == {}

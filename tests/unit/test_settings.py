"""Settings: read once, refused in one sentence, never printed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import Field, FrozenInstanceError, fields
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

import app
from runmanager.conventions import Conventions
from runmanager.errors import SettingsError
from runmanager.settings import Settings
from tests.docs.reading import Document
from tests.processes import ROOT

KEY = "k" * 32
SECRET = "s3cret-pa55"


def settings(**environ: str) -> Settings:
    return Settings.from_environment({"RUNMANAGER_COOKIE_KEY": KEY} | environ)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_a_postgresql_address_is_accepted(scheme: str) -> None:
    url = settings(DATABASE_URL=f"{scheme}://kate:{SECRET}@db:5433/host").database_url
    assert url is not None
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port) == ("kate", SECRET, "db", 5433)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        f"mysql://kate:{SECRET}@db/host",
        f"sqlite:///{SECRET}",
        f"postgresql+psycopg2://kate:{SECRET}@db/host",
        f"postgresql://kate:{SECRET}@db:port/host",
        f"postgresql://kate:{SECRET}@[::1/host",
        f"://kate:{SECRET}@db",
        f"{SECRET} postgresql://",
    ],
)
def test_a_bad_address_is_refused_in_one_sentence_without_its_password(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(DATABASE_URL=text)
    message = caught.value.message
    assert message.startswith("DATABASE_URL ")
    assert "postgresql://user:password@host:5432/database" in message
    assert SECRET not in message
    assert "\n" not in message
    assert caught.value.__cause__ is None


def test_a_replica_is_read_as_the_database_is_and_needs_one() -> None:
    replica = f"postgres://kate:{SECRET}@replica/host"
    found = settings(DATABASE_URL="postgresql://db/host", RUNMANAGER_READ_URL=replica)
    assert found.read_url is not None
    assert (found.read_url.drivername, found.read_url.host) == ("postgresql+psycopg", "replica")
    assert SECRET not in repr(found)
    with pytest.raises(SettingsError, match="RUNMANAGER_READ_URL needs DATABASE_URL") as caught:
        settings(RUNMANAGER_READ_URL=replica)
    assert SECRET not in caught.value.message
    with pytest.raises(SettingsError, match="RUNMANAGER_READ_URL is not the address"):
        settings(DATABASE_URL="postgresql://db/host", RUNMANAGER_READ_URL="mysql://db/host")


def test_a_store_that_instances_share_needs_an_archive_that_they_share() -> None:
    shared = {"RUNMANAGER_STATE_URL": f"postgresql://kate:{SECRET}@db/state"}
    for archive in ({}, {"RUNMANAGER_ARCHIVE": ""}):
        with pytest.raises(SettingsError) as caught:
            settings(**shared, **archive)
        assert caught.value.message == (
            "RUNMANAGER_ARCHIVE must be set with RUNMANAGER_STATE_URL: a folder or an object store "
            "that every instance reaches, or `off`."
        )
    for named in ("off", "/srv/archive", "s3://bucket/folder"):
        assert settings(**shared, RUNMANAGER_ARCHIVE=named).archive == named


@pytest.mark.parametrize("key", ["", "short", "k" * 31])
def test_a_short_cookie_key_is_refused_with_a_database_of_the_hosts(key: str) -> None:
    with pytest.raises(SettingsError, match="32 bytes") as caught:
        settings(DATABASE_URL="postgresql://db/host", RUNMANAGER_COOKIE_KEY=key)
    assert not key or key not in caught.value.message


def test_the_cookie_key_is_measured_in_bytes() -> None:
    assert settings(DATABASE_URL="postgresql://db/host", RUNMANAGER_COOKIE_KEY="é" * 16).cookie_keys


def test_the_demo_needs_no_setting_at_all() -> None:
    assert Settings.from_environment({}) == Settings()


def planted(env: str) -> str:
    """A secret of 32 bytes or more that no other variable has."""
    return f"planted.in.{env}.{'x' * 32}"


def test_printed_settings_hold_no_secret() -> None:
    secrets = [
        one.metadata["env"]
        for one in fields(Settings)
        if one.metadata["env"].endswith(("_URL", "_KEY", "_SECRET"))
    ]
    secrets.remove("RUNMANAGER_JWT_PUBLIC_KEY")
    assert len(secrets) == 7
    environ = {
        env: f"postgresql://kate:{planted(env)}@db/host" if env.endswith("_URL") else planted(env)
        for env in secrets
    }
    found = settings(
        **environ,
        RUNMANAGER_ARCHIVE="off",
        RUNMANAGER_OIDC_ISSUER="https://login.example.org",
        RUNMANAGER_OIDC_CLIENT_ID="run-manager",
        RUNMANAGER_PROXY_USER_HEADER="X-Remote-User",
        RUNMANAGER_TRUSTED_PROXIES="127.0.0.1",
    )
    for env in secrets:
        (field,) = (one for one in fields(Settings) if one.metadata["env"] == env)
        value = getattr(found, field.name)
        assert planted(env) in (str(value.password) if isinstance(value, sa.URL) else value)
        for shown in (repr(found), str(found), f"{found}", f"{[found]}"):
            assert planted(env) not in shown
            assert field.name not in shown
    assert "login.example.org" in repr(found)


def test_the_store_s_folder_is_the_one_that_was_named_or_stands_beside_the_app() -> None:
    named = settings(RUNMANAGER_STATE_DIR="/srv/state", DATABASE_URL="postgresql://db/host")
    assert named.state_folder == Path("/srv/state")
    assert settings(RUNMANAGER_STATE_DIR="/srv/state").state_folder == Path("/srv/state")
    assert settings(DATABASE_URL="postgresql://db/host").state_folder == ROOT / ".state"


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        settings().pool_size = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", ["RUNMANAGER_STATEMENT_TIMEOUT", "RUNMANAGER_LOCK_TIMEOUT"])
@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "3601", "1e9", "5 s"])
def test_a_time_limit_that_is_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} must be a number of seconds between"):
        settings(**{name: text})


@pytest.mark.parametrize("text", ["1", "0", "-3", "201", "ten", "9" * 5000, "٣", "2.5"])
def test_a_pool_size_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="between 2 and 200"):
        settings(RUNMANAGER_POOL_SIZE=text)


def test_every_other_setting_is_read() -> None:
    found = settings(
        RUNMANAGER_TRACE_TABLES=" audit, ,notes ",
        RUNMANAGER_RUNNING_WORDS="brewing, in the oven",
        RUNMANAGER_TIMESTAMP_ZONE="Europe/Berlin",
        RUNMANAGER_STATEMENT_TIMEOUT="2.5",
        RUNMANAGER_LOCK_TIMEOUT="0.5",
        RUNMANAGER_POOL_SIZE="200",
        RUNMANAGER_DEMO_DIR="/tmp/demo",  # noqa: S108  only read
    )
    assert found.conventions == Conventions(
        ("audit", "notes"), frozenset({"brewing", "in the oven"}), ZoneInfo("Europe/Berlin")
    )
    assert (found.statement_timeout, found.lock_timeout, found.pool_size) == (2.5, 0.5, 200)
    assert str(found.demo_dir) == "/tmp/demo"  # noqa: S108


@pytest.mark.parametrize(
    "name", ["Europe/Nowhere", "America", "../../etc/passwd", "CEST", "+02:00", "x" * 5000]
)
def test_a_zone_that_is_none_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(RUNMANAGER_TIMESTAMP_ZONE=name)
    message = caught.value.message
    assert message.startswith("RUNMANAGER_TIMESTAMP_ZONE must be the IANA name of a time zone")
    assert name not in message
    assert caught.value.__cause__ is None


def test_every_setting_carries_its_variable_and_its_sentence() -> None:
    for field in fields(Settings):
        assert field.metadata["env"].isupper()
        assert field.metadata["doc"].endswith((".", "`."))


def as_documented(setting: Field[object]) -> str:
    """The setting's row in the table of docs/settings.md."""
    default = setting.default
    shown = f"`{default}`" if isinstance(default, (str, ZoneInfo)) else str(default)
    if default in (None, "", ()) or isinstance(default, Path):
        shown = ""
    row = f"| `{setting.metadata['env']}` | {setting.metadata['doc']} | {shown} |"
    return row.replace("|  |", "| |")


def test_the_page_of_settings_has_each_with_its_sentence_and_default() -> None:
    rows = [
        line
        for line in Document("docs/settings.md").section("What can be set?").splitlines()
        if line.startswith("| `")
    ]
    assert rows == [as_documented(setting) for setting in fields(Settings)]


def test_the_page_of_settings_names_what_may_stand_in_a_file() -> None:
    section = Document("docs/settings.md").section("Can a secret stand in a file?")
    (listed,) = re.findall(r"This goes for (.*?)\.\n", section, re.S)
    in_files = [one.metadata["env"] for one in fields(Settings) if one.metadata["may_be_file"]]
    assert re.findall(r"`(\w+)`", listed) == in_files


def test_the_page_of_settings_says_where_it_listens_by_itself() -> None:
    section = Document("docs/settings.md").section("Where does it listen?")
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert named == app._WHERE_TO_LISTEN.keys()
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    for names, _meaning, default in rows:
        (option, *_others) = re.findall(r"`(\w+)`", names)
        _section, key = app._WHERE_TO_LISTEN[option].split(".")
        assert default.strip(" `") == str(config["server"].get(key, ""))


@pytest.mark.parametrize(
    "name",
    [
        "DATABASE_URL",
        "RUNMANAGER_READ_URL",
        "RUNMANAGER_COOKIE_KEY",
        "RUNMANAGER_JWT_SECRET",
        "RUNMANAGER_JWT_CLAIM",
    ],
)
def test_bytes_that_are_no_text_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is not UTF-8 text\.$"):
        settings(**{name: f"{KEY}\udcff"})


@pytest.mark.parametrize("secret", ["short", "k" * 31, "é" * 15])
def test_a_short_token_secret_is_refused(secret: str) -> None:
    with pytest.raises(
        SettingsError, match="RUNMANAGER_JWT_SECRET must be a secret of 32"
    ) as caught:
        settings(RUNMANAGER_JWT_SECRET=secret)
    assert secret not in caught.value.message


def test_a_key_has_one_job() -> None:
    with pytest.raises(SettingsError, match="must differ") as caught:
        settings(RUNMANAGER_JWT_SECRET=KEY)
    assert KEY not in caught.value.message


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "nbf", "iat", "jti"])
def test_a_claim_that_cannot_name_a_user_is_refused(claim: str) -> None:
    with pytest.raises(SettingsError, match="RUNMANAGER_JWT_CLAIM must be a claim that names"):
        settings(RUNMANAGER_JWT_CLAIM=claim)


def test_what_the_claim_holds_is_an_id_or_a_username() -> None:
    assert settings(RUNMANAGER_JWT_NAMES="username").jwt_names == "username"
    with pytest.raises(SettingsError, match="RUNMANAGER_JWT_NAMES"):
        settings(RUNMANAGER_JWT_NAMES="email")

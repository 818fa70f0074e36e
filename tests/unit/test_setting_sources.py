"""Secrets come from a variable, a file or systemd's credentials; what is wrong with one is said."""

from __future__ import annotations

import logging
import os
from dataclasses import fields
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runmanager.errors import SettingsError
from runmanager.settings import Settings

KEY = "the key of a file, longer than 32 bytes"
OTHER = "the key of a credential, longer than 32"
COOKIE = "RUNMANAGER_COOKIE_KEY"
PUBLIC_KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
# Each with the setting that it becomes and the others that it needs.
IN_FILES: dict[str, tuple[str, str, dict[str, str]]] = {
    "DATABASE_URL": ("database_url", "postgresql://kate:pw@db/host", {COOKIE: KEY}),
    "RUNMANAGER_READ_URL": (
        "read_url",
        "postgresql://kate:pw@replica/host",
        {COOKIE: KEY, "DATABASE_URL": "postgresql://kate:pw@db/host"},
    ),
    COOKIE: ("cookie_keys", KEY, {}),
    "RUNMANAGER_OIDC_CLIENT_SECRET": (
        "oidc_client_secret",
        "the provider's",
        {"RUNMANAGER_OIDC_ISSUER": "https://login.example", "RUNMANAGER_OIDC_CLIENT_ID": "us"},
    ),
    "RUNMANAGER_PROXY_SECRET": (
        "proxy_secrets",
        KEY,
        {
            "RUNMANAGER_PROXY_USER_HEADER": "X-Remote-User",
            "RUNMANAGER_TRUSTED_PROXIES": "127.0.0.1",
        },
    ),
    "RUNMANAGER_JWT_SECRET": ("jwt_secrets", KEY, {}),
    "RUNMANAGER_JWT_PUBLIC_KEY": ("jwt_public_key", PUBLIC_KEY, {}),
    "RUNMANAGER_STATE_URL": (
        "state_url",
        "postgresql://kate:pw@db/state",
        {"RUNMANAGER_ARCHIVE": "/srv/archive"},
    ),
}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that its owner alone can read."""
    path = tmp_path / "secret"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def cookie_keys(**environ: str) -> tuple[str, ...]:
    return Settings.from_environment(environ).cookie_keys


def refusal(environ: dict[str, str]) -> str:
    """The sentence with which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    message = caught.value.message
    assert "\n" not in message
    assert caught.value.__cause__ is None
    return message


def test_every_secret_may_stand_in_a_file() -> None:
    in_files = {one.metadata["env"] for one in fields(Settings) if one.metadata["may_be_file"]}
    assert in_files == IN_FILES.keys()
    sounding = {
        one.metadata["env"]
        for one in fields(Settings)
        if one.metadata["env"].endswith(("_URL", "_KEY", "_SECRET"))
    }
    assert sounding == in_files


@pytest.mark.parametrize("env", IN_FILES)
def test_a_secret_is_read_from_its_file_as_from_its_variable(secret: Path, env: str) -> None:
    name, text, others = IN_FILES[env]
    by_variable = Settings.from_environment(others | {env: text})
    assert getattr(by_variable, name)
    for written in (text, f"{text}\n", f"  {text}\r\n\r\n", f"\ufeff{text}\n"):
        secret.write_text(written, encoding="utf-8")
        assert Settings.from_environment(others | {f"{env}_FILE": str(secret)}) == by_variable


@pytest.mark.parametrize("env", IN_FILES)
def test_a_secret_is_read_from_a_credential_of_its_name(tmp_path: Path, env: str) -> None:
    _name, text, others = IN_FILES[env]
    credential = tmp_path / env
    credential.write_text(f"{text}\n", encoding="utf-8")
    credential.chmod(0o400)
    by_variable = Settings.from_environment(others | {env: text})
    by_credential = others | {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert Settings.from_environment(by_credential) == by_variable


def test_what_is_no_secret_is_read_from_its_variable_only(secret: Path) -> None:
    secret.write_text("3")
    secret.rename(secret.with_name("RUNMANAGER_POOL_SIZE"))
    environ = {
        "CREDENTIALS_DIRECTORY": str(secret.parent),
        "RUNMANAGER_POOL_SIZE_FILE": str(secret.with_name("RUNMANAGER_POOL_SIZE")),
    }
    assert Settings.from_environment(environ) == Settings()


@pytest.mark.parametrize("env", IN_FILES)
def test_a_variable_and_a_file_are_not_both_taken(secret: Path, env: str) -> None:
    name, text, others = IN_FILES[env]
    environ = others | {env: text, f"{env}_FILE": str(secret)}
    assert refusal(environ) == f"{env} and {env}_FILE are both set: leave one of them out."
    assert getattr(Settings.from_environment(environ | {f"{env}_FILE": " "}), name)


def test_a_variable_or_a_file_comes_before_a_credential(secret: Path) -> None:
    (secret.parent / COOKIE).write_text(OTHER)
    folder = {"CREDENTIALS_DIRECTORY": str(secret.parent)}
    assert cookie_keys(**folder) == (OTHER,)
    assert cookie_keys(**folder, RUNMANAGER_COOKIE_KEY=KEY) == (KEY,)
    assert cookie_keys(**folder, RUNMANAGER_COOKIE_KEY_FILE=str(secret)) == (KEY,)


def test_a_credential_that_is_not_there_is_not_set(tmp_path: Path) -> None:
    assert cookie_keys(CREDENTIALS_DIRECTORY=str(tmp_path)) == ()
    assert cookie_keys(CREDENTIALS_DIRECTORY=str(tmp_path / "gone")) == ()


def test_a_credential_that_cannot_be_looked_for_stops_the_start(secret: Path) -> None:
    said = refusal({"CREDENTIALS_DIRECTORY": str(secret)})
    assert said == (
        "The credential DATABASE_URL in CREDENTIALS_DIRECTORY cannot be read: Not a directory."
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"\xff\xfe" + KEY.encode("utf-16-le"), "is not UTF-8 text"),
        (KEY.encode("utf-16-le"), "is not UTF-8 text"),
        (KEY.encode() + b"\x80", "is not UTF-8 text"),
        (b"k" * (64 * 1024 + 1), "is longer than 64 KiB"),
    ],
)
def test_a_file_without_a_secret_is_refused_and_its_variable_named(
    secret: Path, content: bytes, reason: str
) -> None:
    secret.write_bytes(content)
    said = refusal({"RUNMANAGER_COOKIE_KEY_FILE": str(secret)})
    assert said.startswith(f"The file of RUNMANAGER_COOKIE_KEY_FILE {reason}")
    assert KEY not in said
    secret.rename(secret.with_name(COOKIE))
    said = refusal({"CREDENTIALS_DIRECTORY": str(secret.parent)})
    assert said.startswith(
        f"The credential RUNMANAGER_COOKIE_KEY in CREDENTIALS_DIRECTORY {reason}"
    )


def test_a_file_may_be_64_kib_long(secret: Path) -> None:
    secret.write_bytes(b"k" * (64 * 1024))
    assert cookie_keys(RUNMANAGER_COOKIE_KEY_FILE=str(secret)) == ("k" * 64 * 1024,)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "loop", "too long"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "secret"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    named = {"device": "/dev/zero", "too long": "k" * 5000}.get(kind, str(path))
    said = refusal({"RUNMANAGER_COOKIE_KEY_FILE": named})
    assert said.startswith("The file of RUNMANAGER_COOKIE_KEY_FILE cannot be read: ")


def test_a_secret_in_the_place_of_its_path_is_not_repeated() -> None:
    assert KEY not in refusal({"RUNMANAGER_COOKIE_KEY_FILE": KEY})


def test_a_path_may_lead_over_links(secret: Path, tmp_path: Path) -> None:
    # As Kubernetes does it.
    (tmp_path / "..data").symlink_to(tmp_path)
    link = tmp_path / "cookie-key"
    link.symlink_to(Path("..data") / secret.name)
    assert cookie_keys(RUNMANAGER_COOKIE_KEY_FILE=str(link)) == (KEY,)


def warned(path: Path, caplog: pytest.LogCaptureFixture) -> str:
    """What is logged while the cookie's key is read from this file."""
    caplog.clear()
    assert cookie_keys(RUNMANAGER_COOKIE_KEY_FILE=str(path)) == (KEY,)
    assert {record.name for record in caplog.records} <= {"runmanager.settings"}
    assert KEY not in caplog.text
    assert str(path) not in caplog.text
    return " ".join(record.getMessage() for record in caplog.records)


def test_a_file_that_others_can_read_or_change_is_warned_of(
    secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for mode in (0o604, 0o602, 0o644, 0o666, 0o404):
        secret.chmod(mode)
        said = warned(secret, caplog)
        assert "The file of RUNMANAGER_COOKIE_KEY_FILE can be read or changed by others" in said
        assert "-rwx` on it" in said
    for mode in (0o600, 0o400, 0o700, 0o601):
        secret.chmod(mode)
        assert warned(secret, caplog) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_group_may_read_what_root_gave_it_and_no_other_file(
    secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for mode in (0o440, 0o640, 0o660):
        os.chown(secret, 0, 12345)
        secret.chmod(mode)
        assert warned(secret, caplog) == ""
        os.chown(secret, 12345, 12345)
        assert "run `chmod go-rwx` on it" in warned(secret, caplog)
    os.chown(secret, 0, 12345)
    secret.chmod(0o644)
    # Its group goes on reading it.
    assert "run `chmod o-rwx` on it" in warned(secret, caplog)


def test_a_credential_that_others_can_read_is_warned_of_by_its_name(
    secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    credential = secret.rename(secret.with_name(COOKIE))
    credential.chmod(0o444)
    assert cookie_keys(CREDENTIALS_DIRECTORY=str(secret.parent)) == (KEY,)
    (record,) = caplog.records
    assert record.getMessage().startswith("The credential RUNMANAGER_COOKIE_KEY in ")

"""What the text of a setting means: what is taken, what is refused, and never repeated."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from runmanager.errors import SettingsError
from runmanager.settings import Settings
from tests.api.tokens import EC_KEY, RSA_PEM, public_pem

ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 40
COOKIE, JWT, PROXY = "RUNMANAGER_COOKIE_KEY", "RUNMANAGER_JWT_SECRET", "RUNMANAGER_PROXY_SECRET"
OIDC = {
    "RUNMANAGER_OIDC_ISSUER": "https://login.example.org/realm/",
    "RUNMANAGER_OIDC_CLIENT_ID": "run-manager",
    "RUNMANAGER_OIDC_CLIENT_SECRET": "the provider's own words",
}
BY_PROXY = {
    "RUNMANAGER_PROXY_USER_HEADER": "X-Remote-User",
    "RUNMANAGER_PROXY_SECRET": THREE,
    "RUNMANAGER_TRUSTED_PROXIES": "127.0.0.1",
}


def read(**environ: str) -> Settings:
    return Settings.from_environment(environ)


def refusal(**environ: str) -> str:
    """The sentence with which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    assert "\n" not in caught.value.message
    assert caught.value.__cause__ is None
    return caught.value.message


# ---- keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (ONE, (ONE,)),
        (f"{ONE},{TWO}", (ONE, TWO)),
        (f" {ONE} ,  {TWO} ,{THREE}", (ONE, TWO, THREE)),
        (f"{ONE}\n{TWO}", (ONE, TWO)),
        (f"{ONE}\r\n\r\n  {TWO}  \r{THREE}", (ONE, TWO, THREE)),
        (f"{ONE}\n{TWO},{THREE}", (ONE, TWO, THREE)),
        (f"{ONE},{ONE}\n{ONE}", (ONE,)),
        # Keys from before there were lists.
        (f"{ONE},short", (f"{ONE},short",)),
        (f"{ONE},", (f"{ONE},",)),
        (f",{ONE}", (f",{ONE}",)),
        (f"{ONE},{TWO},", (f"{ONE},{TWO},",)),
        ("a key, of words, and with commas", ("a key, of words, and with commas",)),
        (f"{ONE} {TWO}", (f"{ONE} {TWO}",)),
        (f"{ONE}\v{TWO}\u2028{THREE}", (f"{ONE}\v{TWO}\u2028{THREE}",)),
    ],
)
def test_keys_stand_one_a_line_or_between_commas_where_each_is_long_enough(
    text: str, keys: tuple[str, ...]
) -> None:
    assert read(**{COOKIE: text}).cookie_keys == keys
    assert read(**{JWT: text}).jwt_secrets == keys


@pytest.mark.parametrize("env", [COOKIE, JWT, PROXY])
@pytest.mark.parametrize(
    "text", ["short", "k" * 31, f"{ONE}\nshort", f"short\n{ONE}", f"{ONE}\n,\n{TWO}"]
)
def test_every_key_of_a_list_must_be_long_enough(env: str, text: str) -> None:
    said = refusal(**(BY_PROXY | {env: text}))
    assert said.startswith(f"{env} must be ")
    assert "of 32 bytes or more" in said
    assert not any(line in said for line in text.splitlines() if len(line) > 1)


@pytest.mark.parametrize("env", [COOKIE, JWT, PROXY])
def test_a_key_file_is_no_secret_in_any_place_of_a_list(env: str) -> None:
    ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFGfnQiCKjOx5bOdkz8NVBqHOk kate@host"
    for text in (RSA_PEM, public_pem(EC_KEY), f"{ONE}\n{RSA_PEM}", ssh, f"{ONE}\n{ssh}"):
        said = refusal(**(BY_PROXY | {env: text}))
        assert said.startswith(f"{env} holds a key file")
        assert text[40:60] not in said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (COOKIE, JWT),
        (COOKIE, PROXY),
        (JWT, PROXY),
        (COOKIE, "RUNMANAGER_OIDC_CLIENT_SECRET"),
        (JWT, "RUNMANAGER_OIDC_CLIENT_SECRET"),
        (PROXY, "RUNMANAGER_OIDC_CLIENT_SECRET"),
    ],
)
def test_a_key_has_one_job_wherever_it_stands_in_a_list(one: str, other: str) -> None:
    lists = {one: f"{ONE},{TWO}"} if one != other else {}
    said = refusal(**(BY_PROXY | OIDC | lists | {other: TWO}))
    assert "must differ: a key has one job" in said
    assert one in said
    assert other in said
    assert TWO not in said


# ---- numbers and words


@pytest.mark.parametrize(
    ("env", "unit", "most"),
    [
        ("RUNMANAGER_SESSION_HOURS", "hours", "168"),
        ("RUNMANAGER_SESSION_IDLE_MINUTES", "minutes", "10080"),
    ],
)
def test_a_session_s_length_is_a_number_within_bounds(env: str, unit: str, most: str) -> None:
    name = env.removeprefix("RUNMANAGER_").lower()
    for text in ("0.01", "0.5", "1", most):
        assert getattr(read(**{env: text}), name) == float(text)
    for text in ("0", "-1", "nan", "inf", f"{most}.1", "1_0", "٣", "8 h", "never"):
        said = refusal(**{env: text})
        assert said == f"{env} must be a number of {unit} between 0.01 and {most}."


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("RUNMANAGER_OIDC_MATCHES", ("id", "username", "email")),
        ("RUNMANAGER_PROXY_MATCHES", ("id", "username", "email")),
        ("RUNMANAGER_OPENAPI", ("token", "public")),
        ("RUNMANAGER_JWT_NAMES", ("id", "username")),
    ],
)
def test_a_word_is_one_of_a_few(env: str, words: tuple[str, ...]) -> None:
    name = env.removeprefix("RUNMANAGER_").lower()
    for word in words:
        assert getattr(read(**{env: word}), name) == word
    for word in ("planted", words[0].upper(), "id,username", "none"):
        said = refusal(**{env: word})
        assert said.startswith(f"{env} must be “{words[0]}”")
        assert said.endswith(f" or “{words[-1]}”.")
        assert f"“{word}”" not in said


def test_a_folder_may_begin_with_a_home() -> None:
    for env, name in (("RUNMANAGER_STATE_DIR", "state_dir"), ("RUNMANAGER_DEMO_DIR", "demo_dir")):
        assert getattr(read(**{env: "~/there"}), name) == Path.home() / "there"
        assert getattr(read(**{env: "here"}), name) == Path("here")
        assert "unknown" in refusal(**{env: "~nobody_of_this_name/there"})


# ---- hosts and proxies


def test_hosts_are_names_with_or_without_a_port() -> None:
    text = " Runs.Example.org, *.example.org:8443 ,localhost:8501,run_manager,127.0.0.1,[::1]:1"
    assert read(RUNMANAGER_ALLOWED_HOSTS=text).allowed_hosts == (
        "runs.example.org",
        "*.example.org:8443",
        "localhost:8501",
        "run_manager",
        "127.0.0.1",
        "[::1]:1",
    )
    assert read(RUNMANAGER_ALLOWED_HOSTS="a,A,b").allowed_hosts == ("a", "b")


@pytest.mark.parametrize(
    "text",
    [
        "https://runs.example.org",
        "runs.example.org/",
        "//runs.example.org",
        "kate:planted@runs.example.org",
        "runs.example.org,",
        ",",
        "a,,b",
        "*",
        "*.",
        "*.*.org",
        "a.*.org",
        "runs.*",
        "a..b",
        ".example.org",
        "example.org.",
        "-a.org",
        "a-.org",
        "a b",
        "a:b",
        "a:",
        ":8501",
        "a:0",
        "a:65536",
        "a:٣",
        "a:1:2",
        "::1",
        "[::1",
        "[]",
        "[a]",
        "[::1%eth0]",
        "bücher.example",
        "a\nb",
        f"{'a' * 64}.org",
        ".".join(["a" * 63] * 4),
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    said = refusal(RUNMANAGER_ALLOWED_HOSTS=text)
    assert said.startswith("RUNMANAGER_ALLOWED_HOSTS must be names of hosts")
    assert "planted" not in said


def test_proxies_are_addresses_or_networks() -> None:
    text = "127.0.0.1, 10.0.0.0/8,::1 ,fd00::/8,10.0.0.0/8"
    assert read(RUNMANAGER_TRUSTED_PROXIES=text).trusted_proxies == (
        ip_network("127.0.0.1/32"),
        ip_network("10.0.0.0/8"),
        ip_network("::1/128"),
        ip_network("fd00::/8"),
    )


@pytest.mark.parametrize(
    "text",
    ["planted", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "256.0.0.1", "10.0.0.7:80", "[::1]", ",",
     "10.0.0.7,", "1", "0x7f.0.0.1", "010.0.0.1", "*"],
)  # fmt: skip
def test_what_is_no_network_is_refused(text: str) -> None:
    said = refusal(RUNMANAGER_TRUSTED_PROXIES=text)
    assert said.startswith("RUNMANAGER_TRUSTED_PROXIES must be addresses or networks")
    assert "planted" not in said


@pytest.mark.parametrize("text", ["fe80::1%eth0", "fe80::1%eth0/128", "127.0.0.1,fe80::1%1"])
def test_an_interface_is_no_part_of_a_network(text: str) -> None:
    assert "must not name an interface" in refusal(RUNMANAGER_TRUSTED_PROXIES=text)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "127.0.0.1,0.0.0.0/0"])
def test_not_everybody_is_a_proxy(text: str) -> None:
    assert "would trust anyone" in refusal(RUNMANAGER_TRUSTED_PROXIES=text)


# ---- single sign-on


@pytest.mark.parametrize(
    "address",
    [
        "https://login.example.org",
        "https://login.example.org/",
        "https://login.example.org:8443/realms/Ours",
        "https://10.0.0.7/x",
        "https://[fd00::1]:8443",
        "http://localhost:3000",
        "http://127.0.0.1:3000/",
        "http://[::1]:3000",
    ],
)
def test_the_provider_s_address_stays_as_it_is(address: str) -> None:
    assert read(**(OIDC | {"RUNMANAGER_OIDC_ISSUER": address})).oidc_issuer == address


@pytest.mark.parametrize(
    "address",
    [
        "login.example.org",
        "http://login.example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://localhost@login.example.org",
        "https://kate:planted@login.example.org",
        "https://login.example.org?planted",
        "https://login.example.org#planted",
        "https://login.example.org/a b",
        "https://login.example.org\\@localhost",
        "https://*.example.org",
        "https://",
        "https:///realm",
        "https://login.example.org:0",
        "https://login.example.org:99999",
        "https://login.example.org:port",
        "https://[::1",
        "https://login\n.example.org",
        "https://bücher.example",
        "ftp://login.example.org",
        "file:///etc/planted",
        "javascript:planted",
    ],
)
def test_what_is_no_provider_s_address_is_refused(address: str) -> None:
    said = refusal(**(OIDC | {"RUNMANAGER_OIDC_ISSUER": address}))
    assert said.startswith("RUNMANAGER_OIDC_ISSUER must be the address of the provider")
    assert "planted" not in said


@pytest.mark.parametrize(
    ("group", "alone"),
    [(OIDC, set()), (BY_PROXY, {"RUNMANAGER_TRUSTED_PROXIES"})],
    ids=["OpenID Connect", "a proxy"],
)
def test_what_goes_together_is_not_set_in_part(group: dict[str, str], alone: set[str]) -> None:
    read(**group)
    for missing in group:
        part = {env: text for env, text in group.items() if env != missing}
        said = refusal(**part)
        assert said.endswith(f"go together: set {missing} too.")
        assert not any(text in said for text in group.values())
    for one in group:
        if one in alone:
            read(**{one: group[one]})
        else:
            others = [env for env in group if env != one]
            assert refusal(**{one: group[one]}).endswith(f"set {' and '.join(others)} too.")


def test_a_chosen_name_is_not_taken_for_an_id_or_an_address() -> None:
    assert read(**OIDC).oidc_claim == "preferred_username"
    for matches, claim in (("id", "sub"), ("email", "email")):
        environ = OIDC | {"RUNMANAGER_OIDC_MATCHES": matches}
        assert refusal(**environ).startswith("RUNMANAGER_OIDC_CLAIM is needed")
        assert read(**environ, RUNMANAGER_OIDC_CLAIM=claim).oidc_claim == claim


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "nbf", "iat", "jti"])
def test_a_provider_s_claim_that_cannot_name_a_user_is_refused(claim: str) -> None:
    said = refusal(**OIDC, RUNMANAGER_OIDC_CLAIM=claim)
    assert said.startswith("RUNMANAGER_OIDC_CLAIM must be a claim that names")


def test_scopes_are_words_and_openid_is_one() -> None:
    found = read(RUNMANAGER_OIDC_SCOPES="openid  urn:example:roles").oidc_scopes
    assert found == "openid urn:example:roles"
    for text in ("profile email", "openid,email", 'openid "planted"', "openid é", "openid \\"):
        said = refusal(RUNMANAGER_OIDC_SCOPES=text)
        assert said.startswith("RUNMANAGER_OIDC_SCOPES must be words")
        assert "planted" not in said


@pytest.mark.parametrize("env", ["RUNMANAGER_OIDC_CLIENT_ID", "RUNMANAGER_OIDC_CLIENT_SECRET"])
def test_what_the_provider_gave_is_one_line(env: str) -> None:
    for text in ("planted\nplanted", "planted\x00", "planted\x1b[0m"):
        said = refusal(**(OIDC | {env: text}))
        assert said.startswith(env)
        assert "planted" not in said


@pytest.mark.parametrize("name", ["X-Remote-User", "Remote-User", "x-forwarded-user", "Cf-Email2"])
def test_a_header_that_names_the_user_is_taken(name: str) -> None:
    found = read(**(BY_PROXY | {"RUNMANAGER_PROXY_USER_HEADER": name}))
    assert found.proxy_user_header == name


@pytest.mark.parametrize(
    "name",
    ["X_Remote_User", "X Remote", "X-Remote:", "Ünser", "-X", "a" * 65, "X-A\r\nX-B", "Host",
     "cookie", "Authorization", "ORIGIN", "X-Forwarded-For", "X-Run-Manager-Proxy-Secret"],
)  # fmt: skip
def test_a_header_with_another_meaning_or_spelling_is_refused(name: str) -> None:
    said = refusal(**(BY_PROXY | {"RUNMANAGER_PROXY_USER_HEADER": name}))
    assert said.startswith("RUNMANAGER_PROXY_USER_HEADER must be the name of a header")


def test_a_proxy_s_secret_is_one_that_a_header_can_carry() -> None:
    assert read(**(BY_PROXY | {PROXY: f"{ONE}\n{TWO}"})).proxy_secrets == (ONE, TWO)
    for text in ("é" * 16, f"{ONE}\x07", f"{ONE}\n{TWO}\t!"):
        said = refusal(**(BY_PROXY | {PROXY: text}))
        assert said.startswith("RUNMANAGER_PROXY_SECRET is sent in a header")
        assert ONE not in said

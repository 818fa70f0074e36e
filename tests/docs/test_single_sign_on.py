"""docs/single-sign-on.md: its settings, addresses and headers are those that count."""

from __future__ import annotations

import re
import secrets

import pytest

from runmanager.entrance.places import OPENID_PLACES, Place, place_of
from runmanager.setting_values import PROXY_SECRET_HEADER
from runmanager.settings import Settings
from tests.docs.reading import Document

PAGE = Document("docs/single-sign-on.md")
BLOCKS = PAGE.blocks("ini")


def settings(block: str) -> Settings:
    """The settings of a block, with a secret where one belongs."""
    found = dict(line.split("=", 1) for line in block.splitlines())
    return Settings.from_environment(
        {name: secrets.token_hex(32) if value == "…" else value for name, value in found.items()}
    )


@pytest.mark.parametrize("block", BLOCKS, ids=["provider", "proxy"])
def test_what_it_sets_is_enough_to_start_with(block: str) -> None:
    found = settings(block)
    assert bool(found.oidc_issuer) is not bool(found.proxy_user_header)


def test_the_addresses_for_the_provider_are_those_that_answer_it() -> None:
    paths = re.findall(r"`https://runs\.example\.org(/\S*)`", PAGE.text)
    found = {place_of(path, "/admin/run-manager") for path in paths}
    assert found == {Place.OPENID_BACK, Place.OPENID_ENDED, Place.PAGE}
    assert found - {Place.PAGE} <= OPENID_PLACES


def test_each_row_about_claims_is_a_choice_that_settings_take() -> None:
    rows = re.findall(r"^\| the provider's .* \| `(\w+)` \| `(\w+)` \|$", PAGE.text, re.M)
    assert len(rows) == 3
    for claim, matches in rows:
        block = BLOCKS[0] + f"RUNMANAGER_OIDC_CLAIM={claim}\nRUNMANAGER_OIDC_MATCHES={matches}\n"
        assert (settings(block).oidc_claim, settings(block).oidc_matches) == (claim, matches)


def test_the_proxy_sets_the_headers_that_are_read() -> None:
    sent = re.findall(r"^proxy_set_header (\S+)", PAGE.block("nginx", "X-Remote-User"), re.M)
    user = settings(BLOCKS[1]).proxy_user_header
    assert sent == [user, PROXY_SECRET_HEADER, "X-Forwarded-Proto"]

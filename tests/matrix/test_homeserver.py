"""What Synapse and MAS have in common."""

import pytest

from oidc_bridge.errors import BridgeError
from oidc_bridge.matrix import mas, synapse
from oidc_bridge.matrix.homeserver import read_server_name


@pytest.mark.parametrize(
    "text",
    ["example.org", "Example.org:8448", "1.2.3.4", "[2001:db8::1]:8448", "localhost", "a" * 230],
)
def test_what_stands_behind_the_colon_of_a_matrix_id_is_a_server_name(text: str) -> None:
    assert read_server_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "@x:y", "ex ample", "https://x", "\u202eabc", "a\n", "\u00fc.example", "a_b"),
        *("a:", "a:123456", "a" * 231, "[::1", "::1", "example.org/", "<b>"),
    ],
)
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(BridgeError) as refused:
        read_server_name(text)

    assert refused.value.code == "server_name_invalid"


def test_no_homeserver_is_known_by_a_name_that_is_none() -> None:
    for addresses in (
        lambda: synapse.addresses_of("https://matrix.example", "@x:y"),
        lambda: mas.addresses_of("https://mas.example", "01JD0000000000000000000000", "@x:y"),
    ):
        with pytest.raises(BridgeError) as refused:
            addresses()
        assert refused.value.code == "server_name_invalid"

"""The claims of ID tokens and logout tokens."""

from datetime import UTC, datetime, timedelta

import pytest

from oidc_bridge.oidc.tokens import (
    LOGOUT_EVENT,
    id_token_claims,
    left_half_hash,
    logout_token_claims,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC)
SECONDS = 1_767_268_800
ANN = {"sub": "subject-1", "preferred_username": "ann.id", "name": "Ann"}


def make_id_token(**changes: object) -> dict[str, object]:
    return id_token_claims(
        **{
            "issuer": "https://bridge.example",
            "client_id": "wiki",
            "person_claims": ANN,
            "sid": "sid-1",
            "nonce": "nonce-1",
            "authenticated_at": NOW - timedelta(minutes=5),
            "access_token": "access-1",
            "now": NOW,
            "life": timedelta(hours=1),
            **changes,
        }
    )


@pytest.mark.spec("OIDC Core", "2")
def test_an_id_token_says_who_for_whom_and_when():
    assert make_id_token() == {
        **ANN,
        "iss": "https://bridge.example",
        "aud": "wiki",
        "iat": SECONDS,
        "exp": SECONDS + 3600,
        "auth_time": SECONDS - 300,
        "nonce": "nonce-1",
        "sid": "sid-1",
        "at_hash": left_half_hash("access-1"),
    }


def test_times_are_whole_seconds():
    claims = make_id_token()

    assert all(type(claims[name]) is int for name in ("iat", "exp", "auth_time"))


@pytest.mark.spec("OIDC Core", "2")
@pytest.mark.parametrize("nonce", ["n", "n" * 512, " !~", "\"'<>&"])
def test_k8_the_nonce_of_the_request_comes_back_byte_for_byte(nonce):
    assert make_id_token(nonce=nonce)["nonce"] == nonce


def test_k8_there_is_no_nonce_if_none_was_sent():
    assert "nonce" not in make_id_token(nonce=None)


PROTOCOL = ["iss", "aud", "iat", "exp", "auth_time", "nonce", "sid", "at_hash"]


@pytest.mark.parametrize("name", PROTOCOL)
def test_k9_no_claim_of_a_person_can_stand_in_the_place_of_the_protocols(name):
    claims = make_id_token(person_claims={**ANN, name: "evil"})

    assert claims == make_id_token()


def test_k9_no_claim_of_a_person_can_stand_in_for_a_nonce_that_was_not_sent():
    claims = make_id_token(person_claims={**ANN, "nonce": "evil"}, nonce=None)

    assert "nonce" not in claims


def test_the_persons_claims_are_not_changed():
    person = dict(ANN)

    make_id_token(person_claims=person)

    assert person == ANN


# OpenID Connect Core 1.0, appendix A.3 and A.4 (token and at_hash), A.4 and A.6 (code and c_hash).
HASHES = [
    ("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"),
    (
        "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk",
        "LDktKdoQak3Pk0cnXxCltA",
    ),
]


@pytest.mark.spec("OIDC Core", "3.1.3.6")
@pytest.mark.parametrize(("token", "expected"), HASHES)
def test_the_left_half_hash_is_that_of_the_examples_in_openid_connect_core(token, expected):
    assert left_half_hash(token) == expected


def test_k8_at_hash_belongs_to_the_access_token():
    assert make_id_token(access_token="jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y")["at_hash"] == (
        "77QmUPtjPfzWtF2AnpK9RQ"
    )


def make_logout_token() -> dict[str, object]:
    return logout_token_claims(
        issuer="https://bridge.example",
        client_id="synapse",
        sub="subject-1",
        sid="sid-1",
        jti="jti-1",
        now=NOW,
    )


@pytest.mark.spec("Back-Channel Logout", "2.4")
def test_a_logout_token_names_the_session_and_the_person():
    assert make_logout_token() == {
        "iss": "https://bridge.example",
        "aud": "synapse",
        "iat": SECONDS,
        "exp": SECONDS + 120,
        "jti": "jti-1",
        "sub": "subject-1",
        "sid": "sid-1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }


@pytest.mark.spec("Back-Channel Logout", "2.4")
def test_l3_a_logout_token_has_no_nonce_so_that_it_is_no_id_token():
    assert "nonce" not in make_logout_token()


def test_the_event_of_a_logout_token_is_an_empty_object():
    assert make_logout_token()["events"] == {LOGOUT_EVENT: {}}

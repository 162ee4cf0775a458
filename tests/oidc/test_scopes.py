"""Scopes release the claims that they name, and no others."""

from dataclasses import replace
from itertools import combinations

import pytest

from oidc_bridge.oidc.scopes import SCOPES, Person, claims_for

ANN = Person(
    sub="subject-1",
    localpart="ann.id",
    name="Ann Example",
    picture="https://gaia.example/ann.png",
    email="ann@example.org",
)


@pytest.mark.spec("OIDC Core", "5.4")
@pytest.mark.parametrize(
    ("scopes", "claims"),
    [
        ((), {}),
        (("openid",), {"preferred_username": "ann.id"}),
        (("profile",), {"name": "Ann Example", "picture": "https://gaia.example/ann.png"}),
        (("email",), {"email": "ann@example.org", "email_verified": False}),
        (("offline_access",), {}),
    ],
)
def test_a_scope_releases(scopes, claims):
    assert claims_for(scopes, ANN) == {"sub": "subject-1", **claims}


def test_scopes_together_release_what_each_releases():
    for count in range(len(SCOPES) + 1):
        for some in combinations(SCOPES, count):
            expected = {"sub"} | {claim for scope in some for claim in SCOPES[scope].claims}
            assert set(claims_for(some, ANN)) == expected


@pytest.mark.parametrize(
    ("lacking", "left"),
    [
        ("name", {"sub", "preferred_username", "picture", "email", "email_verified"}),
        ("picture", {"sub", "preferred_username", "name", "email", "email_verified"}),
        ("email", {"sub", "preferred_username", "name", "picture"}),
    ],
)
def test_what_a_person_lacks_is_left_out(lacking, left):
    assert set(claims_for(SCOPES, replace(ANN, **{lacking: None}))) == left


@pytest.mark.spec("OIDC Core", "5.1")
def test_an_email_address_is_never_said_to_be_verified():
    assert claims_for(["email"], ANN)["email_verified"] is False


def test_every_scope_has_a_title_for_the_consent_page():
    assert all(scope.title for scope in SCOPES.values())


def test_no_claim_is_released_by_two_scopes():
    claims = [claim for scope in SCOPES.values() for claim in scope.claims]

    assert len(claims) == len(set(claims))


def test_the_table_of_scopes_cannot_be_changed():
    with pytest.raises(TypeError):
        SCOPES["admin"] = SCOPES["openid"]

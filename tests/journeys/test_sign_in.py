"""Synapse sends Ann, Ann signs, Synapse knows Ann."""

from tests.driver import HOMESERVER, ISSUER, Person, query_of, read_id_token, userinfo


def test_ann_signs_in_and_synapse_knows_her(ann: Person) -> None:
    tokens = ann.tokens()

    claims = read_id_token(ann.app, tokens["id_token"])
    assert claims["iss"] == ISSUER
    assert claims["aud"] == HOMESERVER.id
    assert claims["nonce"] == "nonce-1"
    assert claims["preferred_username"] == ann.wallet.address.c32.lower()
    assert claims["name"] == "Ann Example"
    assert claims["sid"]
    told = userinfo(ann.app, tokens["access_token"]).get_json()
    assert told == {
        "sub": claims["sub"],
        "preferred_username": claims["preferred_username"],
        "name": "Ann Example",
    }


def test_the_way_back_carries_state_and_issuer(ann: Person) -> None:
    answer = query_of(ann.sign_in())

    assert answer["state"] == "state-1"
    assert answer["iss"] == ISSUER

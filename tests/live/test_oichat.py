"""OI Chat's sign-in with what the real libraries write: zone file, profile, signatures."""

import secrets
from collections.abc import Mapping
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from oidc_bridge.proofs.addresses import public_key_to_address
from oidc_bridge.proofs.app_signature import Signature, read_signature
from oidc_bridge.proofs.jsontokens import CURVE_ORDER
from oidc_bridge.proofs.named_profile import GAIA
from oidc_bridge.proofs.oichat import OiChat, Password
from tests.live.wallet import write_for_oichat
from tests.oichat import SERVICES, Web, name_url, served

APP = "https://chat.example"
IDENTITY_KEY, APP_KEY = (secrets.token_bytes(32) for _ in range(2))
IDENTITY, APP_ADDRESS = (
    public_key_to_address(PrivateKey(key).public_key.format()) for key in (IDENTITY_KEY, APP_KEY)
)
HUB = min(GAIA)
BUCKET = f"{HUB}/hub/{APP_ADDRESS.btc}/"
PROFILE_URL = f"{HUB}/hub/{IDENTITY.btc}/profile.json"
CHALLENGES = [f"matrix.example {APP} {secrets.token_urlsafe(32)}" for _ in range(32)]


@pytest.fixture(scope="module")
def written() -> Mapping[str, Any]:
    return write_for_oichat(
        name="ann.id",
        identityKey=IDENTITY_KEY.hex(),
        appKey=APP_KEY.hex(),
        app=APP,
        bucket=BUCKET,
        profileUrl=PROFILE_URL,
        challenges=CHALLENGES,
    )


def signatures(written: Mapping[str, Any], library: str) -> list[Signature]:
    return [
        read_signature(made["publicKey"], made["signature"])
        for made in written["signatures"][library]
    ]


def a_core(written: Mapping[str, Any], owner: str = IDENTITY.btc, **more: Any) -> OiChat:
    web = Web(
        {
            name_url("ann.id"): served({"address": owner, "zonefile": written["zoneFile"]}),
            PROFILE_URL: served(written["profile"]),
            **more,
        }
    )
    return OiChat("matrix.example", SERVICES, web, web, require_signature=True)


@pytest.mark.parametrize("library", ["blockstack", "stacks"])
def test_posted_signatures_of_the_libraries_are_good_with_a_low_and_a_high_s(written, library):
    core = a_core(written)
    found = core.find(Password("n", APP, "ann.id"))
    user = core.read_user("ann.id", found)
    highs = set()

    for challenge, signed in zip(CHALLENGES, signatures(written, library), strict=True):
        assert core.check_answer(found, user, challenge, signed)
        highs.add(decode_dss_signature(bytes.fromhex(signed.signature))[1] > CURVE_ORDER // 2)

    # The one library lowers S and the other does not; no honest signature may depend on it.
    assert highs == {False, True} if library == "blockstack" else False in highs


def test_a_signed_file_of_the_old_library_is_good(written):
    signed = written["signatures"]["blockstack"][0]
    files = {
        f"{BUCKET}mxid.json": served(CHALLENGES[0]),
        f"{BUCKET}mxid.json.sig": served(signed),
    }
    core = a_core(written, **files)
    found = core.find(Password("n", APP, "ann.id"))

    assert found.profile.profile.display_name == "Ann"
    assert found.subject == IDENTITY
    for user in ("ann.id", IDENTITY.btc.lower(), APP_ADDRESS.btc.lower(), "ann.id+chat.example"):
        assert core.check_answer(found, core.read_user(user, found), CHALLENGES[0], None)


def test_the_zone_file_of_a_name_that_a_wallet_holds_points_to_the_identity(written):
    wallet = public_key_to_address(PrivateKey(secrets.token_bytes(32)).public_key.format())
    found = a_core(written, owner=wallet.c32).find(Password("n", APP, "ann.id"))

    assert found.subject == IDENTITY
    assert not found.profile.is_owners

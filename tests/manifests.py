"""A developer who signs manifests, and can be told to sign wrong ones."""

import hashlib
from io import BytesIO

from coincurve import PrivateKey
from PIL import Image

from oidc_bridge.proofs.addresses import Address, public_key_to_address
from oidc_bridge.proofs.jsontokens import sign
from tests.fakes import NOW

HOME = "https://shop.example"
YEAR = 365 * 86_400


def key_of(label: str) -> bytes:
    """Return the private key that belongs to *label* for ever."""
    return hashlib.sha256(f"developer {label}".encode()).digest()


def address_of(label: str) -> Address:
    return public_key_to_address(PrivateKey(key_of(label)).public_key.format())


DAVE = address_of("dave")
MALLORY = address_of("mallory")


def claims_of(**changes: object) -> dict[str, object]:
    """Return the claims of a good statement by Dave; a change to None leaves one out."""
    now = int(NOW.timestamp())
    claims: dict[str, object] = {
        "iss": DAVE.did,
        "iat": now,
        "exp": now + YEAR,
        "jti": "statement-1",
        "software_id": "shop",
        "software_version": "1.0",
        "client_name": "The Signed Shop",
        "client_uri": HOME,
        "redirect_uris": [f"{HOME}/cb"],
        "scope": "openid profile email",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def a_statement(signed_by: str = "dave", **changes: object) -> str:
    return sign(claims_of(**changes), key_of(signed_by))


def profile_url(of: str = "dave") -> str:
    """Return where the profile of *of* lies: in a folder that only this key's holder writes."""
    return f"https://gaia.blockstack.org/hub/{address_of(of).btc}/profile.json"


def named_dave(
    *, owner: str = "wallet", url: str | None = None, signed_by: str = "dave", **claim: object
) -> dict[str, tuple[int, object]]:
    """Return the answers behind ``dave.btc``, a name that one key holds and another speaks for."""
    where = url or profile_url()
    key = key_of(signed_by)
    public_key = PrivateKey(key).public_key.format().hex()
    token = sign({"issuer": {"publicKey": public_key}, "claim": {"name": "Dave", **claim}}, key)
    answer = {
        "address": address_of(owner).c32,
        "status": "name-register",
        "zonefile": f'$ORIGIN dave.btc\n$TTL 3600\n_http._tcp IN URI 10 1 "{where}"\n',
    }
    return {
        "https://names.example/v1/names/dave.btc": (200, answer),
        where: (200, [{"token": token}]),
    }


def a_picture(
    width: int = 300, height: int = 200, *, form: str = "PNG", mode: str = "RGB", **more: object
) -> bytes:
    """Return a picture file, red all over."""
    written = BytesIO()
    Image.new(mode, (width, height), "red").save(written, form, **more)
    return written.getvalue()

"""manifest sign|check: for developers, who need no bridge and no configuration for it."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, TextIO

import click
from coincurve import PrivateKey

from oidc_bridge.apps.developer import MANIFEST_PATH, MAX_MANIFEST, read_authors
from oidc_bridge.apps.manifest import make_statement, possible_signers
from oidc_bridge.apps.statement import LONGEST_LIFE, Draft, read_draft
from oidc_bridge.errors import BridgeError
from oidc_bridge.fetch import GuardedFetch
from oidc_bridge.proofs.addresses import Address, public_key_to_address
from oidc_bridge.proofs.jsontokens import CURVE_ORDER, parse_object

# As wallets write it: 32 bytes, and perhaps the mark of a compressed public key.
_PRIVATE_KEY = re.compile(r"([0-9a-fA-F]{64})(?:01)?")


@click.group()
def manifest() -> None:
    """Signed manifests (software statements): a developer's own tools."""


@manifest.command()
@click.argument("metadata", type=click.File("rb"))
@click.option(
    "--key-file",
    type=click.File("r"),
    help="Holds the private key in hex; without it, it is asked for. Never an argument.",
)
@click.option("--name", help="Sign as the owner of this Blockstack name, not as the address.")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, LONGEST_LIFE.days))
def sign(metadata: BinaryIO, key_file: TextIO | None, name: str | None, days: int) -> None:
    """Sign the client metadata in the JSON file METADATA; print the statement.

    \b
    Example:
      oidc-bridge manifest sign app.json --key-file developer.hex > app.jwt
    """
    text = key_file.read() if key_file else click.prompt("Private key", hide_input=True, err=True)
    private_key = _read_private_key(text)
    address = public_key_to_address(PrivateKey(private_key).public_key.format())
    made = make_statement(
        parse_object(metadata.read()),
        private_key=private_key,
        address=address,
        name=name,
        now=datetime.now(UTC),
        life=timedelta(days=days),
    )
    click.echo(made)
    click.echo(f"signed by {name or address.did} (address {address.btc})", err=True)


@manifest.command()
@click.argument("statement", type=click.File("r"))
@click.option("--site", is_flag=True, help="Ask the app's site too whom it names.")
def check(statement: TextIO, site: bool) -> None:
    """Check the signed manifest in the file STATEMENT as a bridge would; print what it says.

    Who owns a name is not looked up: the addresses that may have signed are printed instead.

    \b
    Example:
      oidc-bridge manifest check app.jwt --site
    """
    draft = read_draft(statement.read().strip(), audience=None, now=datetime.now(UTC))
    signers = _signers(draft)
    facts: dict[str, object] = {
        "developer": draft.issuer,
        "addresses": [signer.btc for signer in signers],
        "expires_at": draft.expires_at.isoformat(),
        "required_scopes": list(draft.required_scopes),
        "metadata": draft.members,
    }
    if site:
        facts["site"] = _ask_site(draft.members, signers)
    click.echo(json.dumps(facts, indent=2))


def _read_private_key(text: str) -> bytes:
    found = _PRIVATE_KEY.fullmatch(text.strip())
    key = bytes.fromhex(found[1]) if found else bytes(32)
    if not 0 < int.from_bytes(key, "big") < CURVE_ORDER:
        raise BridgeError("key_malformed", "expected a private key of 64 hex digits")
    return key


def _signers(draft: Draft) -> tuple[Address, ...]:
    """Return who may have signed: the developer's address alone, or for a name all that may."""
    signers = possible_signers(draft)
    if not draft.issuer.startswith("did:"):
        return signers
    named = tuple(signer for signer in signers if signer.did == draft.issuer)
    if not named:
        raise BridgeError("invalid_software_statement", "iss: somebody else signed it")
    return named


def _ask_site(members: Mapping[str, object], signers: tuple[Address, ...]) -> dict[str, object]:
    url = f"{members['client_uri']}".rstrip("/") + MANIFEST_PATH
    try:
        answer = GuardedFetch()(url, max_bytes=MAX_MANIFEST)
        if answer.status != 200:
            raise BridgeError("not_there", f"status {answer.status}")
        authors = read_authors(answer.body)
    except BridgeError as error:
        return {"asked": url, "fault": str(error)}
    names_signer = any(signer.btc in authors for signer in signers)
    return {"asked": url, "names": list(authors), "names_the_developer": names_signer}

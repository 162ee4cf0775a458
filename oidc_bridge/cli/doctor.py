"""doctor: is everything as it must be?"""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click
from coincurve import PublicKey
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from oidc_bridge.cli.setup import settings_of
from oidc_bridge.config import Settings
from oidc_bridge.deadline import PostDeadline
from oidc_bridge.errors import BridgeError, FetchError, MatrixTokenError, ProofError
from oidc_bridge.factory import make_fetch, make_proofs, name_services, open_database
from oidc_bridge.fetch import GuardedFetch
from oidc_bridge.identity import Challenge
from oidc_bridge.matrix.openid import MatrixOpenIDToken, find_user
from oidc_bridge.matrix.synapse import find_homeserver, login_url, takes_passwords
from oidc_bridge.oidc.client import Client, check_redirect_uri
from oidc_bridge.oidc.keys import SIGNING_ALGORITHMS, active
from oidc_bridge.oidc.metadata import discovery
from oidc_bridge.origins import read_origin
from oidc_bridge.proofs.antelope_node import Node
from oidc_bridge.proofs.jsontokens import parse, sign, verify
from oidc_bridge.proofs.names import check_service
from oidc_bridge.storage import db, read
from oidc_bridge.storage.apps import all_clients
from oidc_bridge.storage.keys import all_keys, youngest_key_at
from oidc_bridge.storage.schema import check_schema

_MAX_DOCUMENT = 65_536
_PATIENCE = 4.0
# Wallets' tokens are allowed 300 s, Synapse allows ours 120 s.
_CLOCK_LEEWAY = timedelta(seconds=30)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--offline", is_flag=True, help="Ask nobody: skip issuer and name services.")
@click.pass_context
def doctor(context: click.Context, as_json: bool, offline: bool) -> None:
    """Check configuration, database, keys, cryptography, and what must be reachable.

    \b
    Example:
      oidc-bridge doctor --offline
    """
    settings = settings_of(context)
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("database", _database),
        ("signing keys", _keys),
        ("clock", _clock),
        ("cryptography", _cryptography),
        ("clients", _clients),
    ]
    if settings.synapse_modules or settings.oichat.enabled:
        checks.append(("synapse modules", _modules))
    if not offline:
        checks += [("issuer", _issuer), ("name services", _names)]
        if settings.antelope.chains:
            checks.append(("chains", _chains))
        if settings.widget.is_on:
            checks.append(("widget", _widget))
        if settings.synapse_modules:
            checks.append(("passwords", _passwords))
    results = []
    with open_database(settings, check=False):
        for name, check in checks:
            try:
                results.append({"check": name, "ok": True, "says": check(settings)})
            except BridgeError as error:
                results.append({"check": name, "ok": False, "says": str(error)})
            except SQLAlchemyError as error:
                says = f"database_unusable: {type(error).__name__}"
                results.append({"check": name, "ok": False, "says": says})
    if as_json:
        click.echo(json.dumps(results, indent=2))
    else:
        for result in results:
            mark = "ok  " if result["ok"] else "FAIL"
            click.echo(f"{mark}  {result['check']}: {result['says']}")
    if not all(result["ok"] for result in results):
        context.exit(1)


def _database(settings: Settings) -> str:
    check_schema(db.engine)
    return f"{db.engine.dialect.name}, schema at head"


def _keys(settings: Settings) -> str:
    with read() as connection:
        keys = all_keys(connection, settings.seal())
    signing = ", ".join(f"{name} {active(keys, name).kid}" for name in SIGNING_ALGORITHMS)
    return f"active {signing}; {len(keys)} published"


def _clock(_settings: Settings) -> str:
    """Hold our clock against what it said before, and against the database's."""
    now = datetime.now(UTC)
    with read() as connection:
        latest = youngest_key_at(connection) or now
        if connection.dialect.name == "postgresql":
            theirs = connection.execute(select(func.now())).scalar_one()
            if abs(theirs - now) > _CLOCK_LEEWAY:
                raise BridgeError("clock_differs", f"the database says {theirs:%FT%TZ}")
    if latest > now + _CLOCK_LEEWAY:
        raise BridgeError("clock_behind", f"a signing key was made at {latest:%FT%TZ}")
    return f"{now:%FT%TZ}"


def _cryptography(settings: Settings) -> str:
    """Sign as a wallet does and read it back; make the questions that wallets are asked."""
    secret = secrets.token_bytes(32)
    verify(parse(sign({"iss": "doctor"}, secret)), PublicKey.from_secret(secret))
    now = datetime.now(UTC).replace(microsecond=0)
    for proof in make_proofs(settings):
        proof.invite(Challenge("doctor", secret, f"Is all well at {settings.name}?", now, now))
    return "ES256K and RS256 work"


def _clients(_settings: Settings) -> str:
    with read() as connection:
        known = all_clients(connection)
    for client in known:
        for uri in client.redirect_uris:
            check_redirect_uri(uri)
    return f"{len(known)} registered" if known else "none registered: see `oidc-bridge client add`"


def _modules(settings: Settings) -> str:
    """Look whether each homeserver that may ask about passwords is able to."""
    asking = _asking(settings)
    for client in asking:
        if client.kind != "homeserver":
            raise BridgeError("module_unusable", f"{client.id} is no homeserver")
        if "client_secret_basic" not in client.auth_methods or not client.secret_digests:
            raise BridgeError("module_unusable", f"{client.id} has no secret to show")
        if client.server_name is None:
            raise BridgeError("module_unusable", f"{client.id} has no server name")
    wanted = settings.oichat.server_name if settings.oichat.enabled else None
    if wanted is not None and wanted not in {client.server_name for client in asking}:
        raise BridgeError(
            "module_unusable", f"[oichat] is for {wanted}, which is none of synapse_modules"
        )
    return f"{', '.join(client.id for client in asking)} may ask about passwords"


def _asking(settings: Settings) -> list[Client]:
    """Return the clients that may ask about passwords.

    Raises:
        BridgeError: ``module_unusable`` if one is not registered.
    """
    with read() as connection:
        known = {client.id: client for client in all_clients(connection)}
    if unknown := settings.synapse_modules - set(known):
        raise BridgeError("module_unusable", f"no client is called {', '.join(sorted(unknown))}")
    return [known[name] for name in sorted(settings.synapse_modules)]


def _issuer(settings: Settings) -> str:
    """Read our own discovery document as a relying party would, and compare."""
    url = f"{settings.issuer}/.well-known/openid-configuration"
    answer = _fetch_own(settings, settings.issuer)(url, max_bytes=_MAX_DOCUMENT)
    try:
        seen = json.loads(answer.body)
    except ValueError as error:
        raise BridgeError("issuer_wrong", f"{url}: status {answer.status}, no JSON") from error
    if seen != discovery(settings.issuer):
        raise BridgeError("issuer_wrong", f"{url}: answers something else than this server would")
    return f"{settings.issuer} answers as it must"


def _fetch_own(settings: Settings, url: str) -> GuardedFetch:
    """Return what reaches the operator's own *url*: it may be internal, or http on localhost."""
    origin = str(read_origin(url))
    return make_fetch(
        settings.model_copy(update={"allow_private": settings.allow_private | {origin}})
    )


def _names(settings: Settings) -> str:
    """Ask each service for nobody's names, which shows whether it speaks its system."""
    fetch = make_fetch(settings)
    services = name_services(settings)
    for service in services:
        try:
            check_service(service, fetch=fetch)
        except ProofError as error:
            raise BridgeError("names_unusable", error.detail) from error
    spoken = (f"{service.url} speaks {service.system}" for service in services)
    return ", ".join(spoken) or "none configured"


def _chains(settings: Settings) -> str:
    """Ask every node of a chain which one it follows, also those that are asked second."""
    known = settings.antelope
    nodes = 0
    for chain in known.chains:
        for url in chain.node_urls:
            post = PostDeadline(make_fetch(settings).post_json, known.budget)
            info = Node(url, post).get_info()
            if info.chain_id != chain.id:
                raise ProofError("wrong_chain", f"{url} follows {info.chain_id}")
            nodes += 1
    return f"{nodes} nodes follow their chains"


def _widget(settings: Settings) -> str:
    """Show each homeserver a token that is nobody's: it must say so itself."""
    fetch, urls = make_fetch(settings), settings.widget.urls
    with read() as connection:
        served = {client.server_name for client in all_clients(connection)}
    for name in urls:
        if name not in served:
            raise BridgeError("widget_unusable", f"no client has the server name {name}")
        try:
            token = MatrixOpenIDToken("doctor", name)
            find_user(token, homeservers=urls, fetch=fetch)
        except MatrixTokenError as error:
            if error.code != "token_refused":
                raise BridgeError("widget_unusable", str(error)) from error
        else:
            raise BridgeError("widget_unusable", f"{name} takes any token")
    return f"{', '.join(urls)} can be asked"


def _passwords(settings: Settings) -> str:
    """Knock at our own door for the modules, and ask each homeserver whether it takes passwords.

    Whether a module is loaded there, and with which secret, nothing shows but a sign-in.
    """
    url = f"{settings.issuer}/matrix/password"
    post = _fetch_own(settings, settings.issuer).post_json
    answer = post(url, {}, max_bytes=_MAX_DOCUMENT, budget=_PATIENCE)
    # Whoever knocks without a secret is refused, and by us.
    if answer.status != 401 or b"invalid_client" not in answer.body:
        raise BridgeError("module_unusable", f"{url}: status {answer.status}, expected our 401")
    found = [find_homeserver(client.redirect_uris) for client in _asking(settings)]
    homeservers = [url for url in found if url is not None]
    for homeserver in homeservers:
        _ask_for_passwords(settings, homeserver)
    taken = f"{', '.join(homeservers)} takes them" if homeservers else "no homeserver to ask"
    return f"{taken}; whether its module asks us, a sign-in shows"


def _ask_for_passwords(settings: Settings, homeserver: str) -> None:
    try:
        url = login_url(homeserver)
        answer = _fetch_own(settings, homeserver)(url, max_bytes=_MAX_DOCUMENT)
    except FetchError as error:
        raise BridgeError("module_unusable", f"{homeserver}: {error}") from error
    if answer.status != 200:
        raise BridgeError("module_unusable", f"{url}: status {answer.status}")
    if not takes_passwords(answer.body):
        why = "no password_config.enabled there, or no module"
        raise BridgeError("module_unusable", f"{homeserver} takes no passwords: {why}")

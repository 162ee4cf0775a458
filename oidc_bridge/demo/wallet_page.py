"""The demo wallet on the web: asks its person whom to be, and sends them back with the answer.

On the same port it plays two name services: the Stacks API's, for names of three labels, and
BNS v2's, for those of two.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, jsonify, make_response, render_template, url_for

from oidc_bridge.demo.pages import DemoError, check_form, make_flask, read_field, see_other
from oidc_bridge.demo.people import People, Person
from oidc_bridge.demo.places import Places
from oidc_bridge.demo.profiles import Profiles
from oidc_bridge.demo.wallet import AuthRequest, parse_auth_request
from oidc_bridge.errors import ProofError


def create_wallet(
    places: Places,
    people: People,
    profiles: Profiles,
    *,
    service: str,
    clock: Callable[[], datetime],
) -> Flask:
    """Return the wallet as a WSGI application; it publishes what apps ask for in *profiles*."""
    askers = (places.bridge, places.chat)
    app = make_flask("wallet", service=service, origin=places.wallet, leads_to=askers)

    @app.get("/")
    def front() -> str:
        return render_template("demo/problem.html", error=None, home=places.app)

    @app.get("/auth")
    def choose() -> Response:
        text = read_field("authRequest")
        asking = read_auth_request(text, askers=askers)
        return make_response(
            render_template(
                "demo/wallet.html",
                asking={"host": urlsplit(asking.origin).netloc, "name": asking.app_name},
                identities=[_row(person) for person in people.all()],
                answer_url=url_for("answer"),
                new_url=url_for("add"),
                auth_request=text,
                refuse_url=asking.redirect_uri,
            )
        )

    @app.post("/answer")
    def answer() -> Response:
        check_form()
        text = read_field("authRequest")
        asking = read_auth_request(text, askers=askers)
        person = people.find(read_field("identity"))
        if person is None:
            raise DemoError("identity_unknown", "There is nobody of that name in this wallet.")
        if asking.publishes:
            profiles.add_app(person.wallet, asking.origin)
        return see_other(person.wallet.answer_url(text, now=clock()))

    @app.post("/identities")
    def add() -> Response:
        check_form()
        people.add()
        query = urlencode({"authRequest": read_field("authRequest")})
        return see_other(f"{url_for('choose')}?{query}")

    _add_names(app, people, profiles)
    return app


def _add_names(app: Flask, people: People, profiles: Profiles) -> None:
    @app.get("/v1/names/<name>")
    def name_owner(name: str) -> Response:
        owner = people.names.get(name)
        if owner is None or not _is_subdomain(name):
            return make_response(jsonify(error="cannot find this name"), 404)
        return jsonify(
            address=owner.c32,
            blockchain="stacks",
            status="registered_subdomain",
            zonefile=profiles.zone_file(name, owner),
        )

    @app.get("/v1/addresses/stacks/<address>")
    def subdomains_of(address: str) -> Response:
        return jsonify(names=[name for name in people.names_of(address) if _is_subdomain(name)])

    @app.get("/names/<name>")
    def name_owner_v2(name: str) -> Response:
        owner = people.names.get(name)
        if owner is None or _is_subdomain(name):
            return make_response(jsonify(error="Name not found"), 404)
        data = {**_row_v2(name, owner.c32), "is_valid": True}
        return jsonify(current_burn_block=900_000, status="active", data=data)

    @app.get("/names/address/<address>/valid")
    def names_of_v2(address: str) -> Response:
        names = [name for name in people.names_of(address) if not _is_subdomain(name)]
        rows = [_row_v2(name, address) for name in names]
        return jsonify(total=len(rows), current_burn_block=900_000, limit=50, offset=0, names=rows)


def _is_subdomain(name: str) -> bool:
    return name.count(".") == 2


def _row_v2(name: str, owner: str) -> dict[str, object]:
    return {"full_name": name, "owner": owner, "renewal_height": "0", "revoked": False}


def read_auth_request(text: str, *, askers: Sequence[str]) -> AuthRequest:
    """Return what *text* asks, if one of the origins in *askers* asks it.

    Raises:
        DemoError: ``request_malformed``; ``request_foreign`` if the answer would go elsewhere.
    """
    if not text:
        raise DemoError("request_malformed", "Nobody asks anything: authRequest is missing.")
    try:
        asking = parse_auth_request(text)
    except ProofError as error:
        raise DemoError("request_malformed", f"The request is not valid ({error.code}).") from error
    # The slash is part of the test: http://localhost:8000@evil.example begins alike. Controls and
    # backslashes are read differently by different parsers.
    uri = asking.redirect_uri
    is_plain = uri.isascii() and uri.isprintable() and not set(' \\"<>') & set(uri)
    is_home = uri.startswith(f"{asking.origin}/")
    if asking.origin not in askers or not is_home or not is_plain:
        raise DemoError("request_foreign", "This wallet answers its own demo and nobody else.")
    return asking


def _row(person: Person) -> dict[str, str | None]:
    return {
        "id": person.id,
        "label": person.label,
        "note": person.note,
        "name": person.wallet.username,
        "address": person.wallet.address.c32,
    }

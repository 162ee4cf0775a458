"""Whether a client's addresses answer: asked when one is registered, and when an admin asks.

It decides nothing. A client is registered and used also if nobody answers, because what runs there
may come later, and may be where people's browsers come to and this server does not.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from oidc_bridge.deadline import Deadline
from oidc_bridge.errors import FetchError, RedirectError
from oidc_bridge.matrix.mas import find_mas
from oidc_bridge.matrix.synapse import find_homeserver
from oidc_bridge.oidc.client import Client
from oidc_bridge.origins import read_origin
from oidc_bridge.ports import Fetch

SECONDS = 8.0
"""For all addresses of a client together."""
_MAX_ANSWER = 65_536
_MOST = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one address.

    Attributes:
        what: What it is for.
        verdict: ``unasked`` if this server may not ask there, which says nothing of others.
        says: A sentence.
    """

    what: str
    uri: str
    verdict: Literal["good", "bad", "unasked"]
    says: str


@dataclass(frozen=True, slots=True)
class _Question:
    """One address, and what its answer means: ``""`` if all is well, else what is not.

    ``read`` is given status and body; ``otherwise`` is of a redirect, and of an answer too long
    to be read.
    """

    what: str
    uri: str
    good: str
    read: Callable[[int, bytes], str]
    otherwise: str


def check_addresses(client: Client, *, fetch: Fetch) -> Sequence[Finding]:
    """Ask each address of *client* without saying anything that it would act on."""
    ask = Deadline(fetch, SECONDS)
    questions = list(_questions(client))
    return [_look(one, ask) for one in questions[:_MOST]] + [
        Finding(one.what, one.uri, "unasked", f"Not asked: only the first {_MOST} are.")
        for one in questions[_MOST:]
    ]


def _look(question: _Question, ask: Fetch) -> Finding:
    what, uri = question.what, question.uri
    if not uri.startswith(("https:", "http:")):
        return Finding(what, uri, "unasked", "Not asked: it opens an app on a device.")
    try:
        answer = ask(uri, max_bytes=_MAX_ANSWER)
        wrong = question.read(answer.status, answer.body)
    except FetchError as error:
        if isinstance(error, RedirectError) or error.code == "fetch_too_large":
            wrong = question.otherwise
        elif error.code == "fetch_blocked":
            return Finding(what, uri, "unasked", _not_allowed(error))
        else:
            wrong = f"Nobody answers ({error.detail or error.code})."
    return Finding(what, uri, "bad" if wrong else "good", wrong or question.good)


def _questions(client: Client) -> Iterator[_Question]:
    if client.kind == "homeserver":
        mas, synapse = find_mas(client.redirect_uris), find_homeserver(client.redirect_uris)
        if mas is not None:
            uri = f"{mas.base}/.well-known/openid-configuration"
            yield _server("MAS", uri, "issuer", str)
            yield from _doors(client, "MAS", "That is so until MAS has loaded its YAML.")
            return
        if synapse is not None:
            yield _server("Synapse", f"{synapse}/_matrix/client/versions", "versions", list)
            missing = (
                "That is so until Synapse has loaded its YAML. After that, see whether the proxy"
                " in front of it passes on /_synapse/client."
            )
            yield from _doors(client, "Synapse", missing)
            return
    yield from _origins(client)


def _server(name: str, uri: str, member: str, kind: type) -> _Question:
    def read(status: int, body: bytes) -> str:
        if status != 200:
            return f"It answers with status {status}, as {name} does not."
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or not isinstance(document.get(member), kind):
            return _another(name)
        return ""

    return _Question(f"{name} itself", uri, f"{name} answers.", read, _another(name))


def _doors(client: Client, name: str, missing: str) -> Iterator[_Question]:
    """What comes with the YAML. Without a sign-in or a token they can only refuse."""

    def refuses(*statuses: int) -> Callable[[int, bytes], str]:
        def read(status: int, _body: bytes) -> str:
            if status == 404:
                return f"Nothing is there. {missing}"
            if status not in statuses:
                return f"It answers with status {status}, as {name} does not."
            return ""

        return read

    good, other = "It is there.", _another(name)
    for uri in client.redirect_uris:
        yield _Question("Answers go there", uri, good, refuses(400), other)
    if client.backchannel_logout_uri is not None:
        uri = client.backchannel_logout_uri
        yield _Question("Told of sign-outs there", uri, good, refuses(400, 405), other)


def _origins(client: Client) -> Iterator[_Question]:
    """Of others nobody knows what their addresses answer, only that somebody must be there."""

    def read(status: int, _body: bytes) -> str:
        return f"It answers with an error of its own, status {status}." if status >= 500 else ""

    words = {_home(uri): "Answers go there" for uri in client.redirect_uris}
    if client.backchannel_logout_uri is not None:
        words.setdefault(_home(client.backchannel_logout_uri), "Told of sign-outs there")
    for uri, what in words.items():
        yield _Question(what, uri, "Somebody answers.", read, "")


def _home(uri: str) -> str:
    """Return the front page of where *uri* is; a scheme of an app has none."""
    if not uri.startswith(("https:", "http:")):
        return uri
    return f"{read_origin(uri)}/"


def _another(name: str) -> str:
    return f"Something answers that is not {name}."


def _not_allowed(error: FetchError) -> str:
    return (
        f"Not asked: {error.detail}. This server asks public https addresses and those that"
        " allow_private in its configuration names. Browsers may reach it all the same."
    )

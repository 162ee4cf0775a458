"""What the OpenID Foundation's conformance suite must be told: clients, and how to sign in here.

The suite takes one JSON document for all modules of a plan. ``browser`` scripts its HtmlUnit: each
entry fits the addresses that a module opens and lists tasks, each for the page that a ``*`` pattern
names; ``override`` has other scripts for single modules, those that want a picture of a page. All
pages are plain forms, so no step needs a script of ours to run; where one did run, its step is
skipped as optional.

Sources: the suite's ``BrowserControl`` and ``SeleniumBrowserRunner`` (release 5.1), and the
summaries of its modules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oidc_bridge.demo.places import Places
from oidc_bridge.oidc.scopes import GRANTS

# `--fintechlabs.base_url` in the suite's own docker-compose.yml; its name stands for 127.0.0.1.
BASE = "https://localhost.emobix.co.uk:8443"
ALIAS = "oidc-bridge"

_NAME = "Conformance suite"
_SECONDS = 10
_PERSON = "ann-example"

Json = Mapping[str, object]
Command = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite, and the alias under which it runs its modules.

    Attributes:
        base: Its origin, as its browser spells it.
    """

    base: str = BASE
    alias: str = ALIAS

    def uri(self, path: str) -> str:
        """Return an address of the running module."""
        return f"{self.base}/test/a/{self.alias}/{path}"


def static_clients(suite: Suite) -> list[dict[str, object]]:
    """Return the clients for ``client_registration=static_client``, with ids and secrets.

    None of it is secret: it is the same in every demo, and good for addresses of the suite alone.
    """
    told = {"backchannel_logout_uri": suite.uri("backchannel_logout")}
    told_by_session = {**told, "backchannel_logout_session_required": True}
    return [
        _client(suite, "suite-client"),
        _client(suite, "suite-client-2"),
        _client(suite, "suite-client-post", token_endpoint_auth_method="client_secret_post"),  # noqa: S106
        # Of its own: a module that does not expect to be told of a sign-out fails if it is.
        _client(suite, "suite-backchannel", **told_by_session),
    ]


def configuration(
    suite: Suite, places: Places, *, initial_token: str, client_id: str = "suite-client"
) -> dict[str, object]:
    """Return the suite's configuration for static and for dynamic clients alike.

    Args:
        initial_token: Good for registrations.
        client_id: Of the first static client.
    """
    known = {str(client["client_id"]): client for client in static_clients(suite)}

    def credentials(name: str) -> Json:
        return {field: known[name][field] for field in ("client_id", "client_secret")}

    dynamic = {"client_name": _NAME, "initial_access_token": initial_token}
    return {
        "alias": suite.alias,
        "description": f"oidc-bridge at {places.bridge}",
        "server": {"discoveryUrl": f"{places.bridge}/.well-known/openid-configuration"},
        "client": {**credentials(client_id), **dynamic},
        "client2": {**credentials("suite-client-2"), **dynamic},
        "client_secret_post": credentials("suite-client-post"),
        "browser": [_sign_in(suite, places), _sign_out(suite, places)],
        "override": {
            module: {"browser": entries} for module, entries in _overrides(suite, places).items()
        },
    }


def _client(suite: Suite, client_id: str, **more: object) -> dict[str, object]:
    return {
        "client_id": client_id,
        "client_secret": f"{client_id}-keeps-no-secret",
        "client_name": _NAME,
        "redirect_uris": [suite.uri("callback")],
        "post_logout_redirect_uris": [suite.uri("post_logout_redirect")],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_basic",
        **more,
    }


def _task(name: str, match: str, *commands: Command, optional: bool = False) -> Json:
    task: dict[str, object] = {"task": name, "match": match, "commands": list(commands)}
    return {**task, "optional": True} if optional else task


def _shown(words: str, *, element: str = "h1", must: bool = True) -> Command:
    """Return a wait for *words*; the page is the picture that a module asked for."""
    action = "update-image-placeholder" if must else "update-image-placeholder-optional"
    return "wait", "css", element, _SECONDS, words, action


def _sign_in(suite: Suite, places: Places, *first: Command) -> Json:
    """Return the way from an authorization request to the callback; what is not asked is skipped.

    A remembered consent is what ``prompt=none`` needs.
    """
    bridge = places.bridge
    boxes = [
        ("click", "css", f"input[name='scope'][value='{scope}']:not([checked])", "optional")
        for scope in GRANTS
        if scope != "openid"
    ]
    return {
        "match": f"{bridge}/authorize*",
        "tasks": [
            _task(
                "Choose the demo wallet",
                f"{bridge}/sign-in/*",
                *first,
                ("click", "css", f"a[href^='{places.wallet}/auth']"),
                optional=True,
            ),
            _task(
                "Choose a person in the wallet",
                f"{places.wallet}/auth*",
                ("click", "css", f"button[value='{_PERSON}']"),
                optional=True,
            ),
            _task(
                "Bring the wallet's answer",
                f"{bridge}/sign-in/answer*",
                ("click", "css", "#answer button"),
                optional=True,
            ),
            _task(
                "Consent",
                f"{bridge}/consent/*",
                *boxes,
                ("click", "css", "input[name='remember']", "optional"),
                ("click", "css", "button[name='decision'][value='allow']"),
                optional=True,
            ),
            _task(
                "Send the form_post on",
                f"{bridge}/*",
                ("click", "css", "#answer button"),
                optional=True,
            ),
            _task(
                "Verify Complete",
                f"{suite.base}/test/*/callback*",
                ("wait", "id", "submission_complete", _SECONDS),
            ),
        ],
    }


def _confirm(places: Places) -> Json:
    """Return the answer to whether to sign out, which is asked without a valid hint."""
    button = "form[action='/end-session/confirm'] button"
    return _task(
        "Say yes", f"{places.bridge}/end-session*", ("click", "css", button), optional=True
    )


def _sign_out(suite: Suite, places: Places) -> Json:
    return {
        "match": f"{places.bridge}/end-session*",
        "tasks": [
            _confirm(places),
            _task("Verify Complete", f"{suite.base}/test/*/post_logout_redirect*"),
        ],
    }


def _overrides(suite: Suite, places: Places) -> Mapping[str, Sequence[Json]]:
    bridge = places.bridge
    asked = f"{bridge}/authorize*"
    sign_in = _sign_in(suite, places)
    again = _sign_in(suite, places, _shown("Sign in|Confirm it is you", must=False))
    page = f"{bridge}/sign-in/*"

    def stays(match: str, command: Command) -> Json:
        return {"match": asked, "tasks": [_task("Expect this page", match, command)]}

    refused = stays(asked, _shown("return address is not registered"))
    signed_out = {
        "match": f"{bridge}/end-session*",
        "tasks": [
            _confirm(places),
            _task("Expect this page", f"{bridge}/signed-out*", _shown("You are signed out")),
        ],
    }
    doubted = {
        "match": f"{bridge}/end-session*",
        "tasks": [_task("Expect this page", f"{bridge}/end-session*", _shown("Sign out of"))],
    }
    logout = "oidcc-rp-initiated-logout"
    return {
        "oidcc-prompt-login": [again],
        "oidcc-max-age-1": [again],
        "oidcc-ensure-registered-redirect-uri": [refused],
        "oidcc-ensure-redirect-uri-in-authorization-request": [refused],
        "oidcc-ensure-request-object-with-redirect-uri": [refused],
        "oidcc-redirect-uri-query-added": [refused],
        "oidcc-redirect-uri-query-mismatch": [refused],
        "oidcc-registration-logo-uri": [stays(page, _shown("Sign in to"))],
        "oidcc-registration-policy-uri": [stays(page, _shown("Privacy policy", element="main"))],
        "oidcc-registration-tos-uri": [stays(page, _shown("Terms of use", element="main"))],
        f"{logout}-bad-post-logout-redirect-uri": [sign_in, doubted],
        f"{logout}-query-added-to-post-logout-redirect-uri": [sign_in, doubted],
        f"{logout}-no-post-logout-redirect-uri": [sign_in, signed_out],
        f"{logout}-no-params": [sign_in, signed_out],
        f"{logout}-only-state": [sign_in, signed_out],
        f"{logout}-modified-id-token-hint": [sign_in, doubted],
        f"{logout}-bad-id-token-hint": [sign_in, doubted],
        f"{logout}-no-id-token-hint": [sign_in, doubted],
    }

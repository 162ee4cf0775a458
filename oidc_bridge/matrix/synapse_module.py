"""The password provider that runs inside Synapse, and asks the bridge.

It is loaded into Synapse's process, so it imports nothing of this package and nothing but Synapse's
module API and the standard library. In ``homeserver.yaml`` (`oidc-bridge synapse-config CLIENT
--with-module` prints it)::

    modules:
      - module: oidc_bridge.matrix.synapse_module.PasswordProvider
        config:
          url: https://id.example.org/matrix/password
          client_id: synapse
          client_secret_path: /etc/matrix-synapse/oidc.secret
          idp_id: stacks

Only passwords of the three shapes that no person chooses are shown to the bridge. All others are
somebody's real one, and this module does not look at them twice.
"""

import json
import logging
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from synapse.module_api import ModuleApi
from synapse.module_api.errors import ConfigError as SynapseConfigError
from synapse.module_api.errors import SynapseError

log = logging.getLogger(__name__)

# As typed: spaces, dashes and capital letters make no difference.
_APP_PASSWORD = re.compile(r"abp_[a-z2-7]{32}")
_IGNORED = re.compile(r"[\s-]+")
# How an app's address begins; a whole one, if it is on the person's own machine.
_APP = re.compile(r"https://|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?\Z")
_KNOWN_SETTINGS = frozenset(
    {"url", "client_id", "client_secret", "client_secret_path", "idp_id", "adopt_existing"}
)
# Synapse gives us 60 seconds; a person waits for less.
_SECONDS = 10
_MAX_ANSWER = 64 * 1024
# Each question holds a thread of Synapse's, which hashes passwords and looks names up with them.
# A bridge that hangs must not take them all: beyond these, the answer is no.
_AT_ONCE = 4

AfterLogin = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Settings:
    """What stands under ``config``.

    Attributes:
        provider: by what Synapse knows whoever came through the bridge's SSO.
        adopt_existing: whether an account that is here already and is nobody's at the bridge goes
            to whoever proves its name there.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    provider: str
    adopt_existing: bool = False


@dataclass(frozen=True)
class Answer:
    """A yes of the bridge's; ``session`` is the ``sid`` that will sign the device out, if any."""

    localpart: str
    display_name: str | None
    subject: str
    session: str


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would take the password and our secret somewhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class PasswordProvider:
    """Signs in whoever the bridge says proved themselves, and nobody else's account."""

    def __init__(self, config: Settings, api: ModuleApi) -> None:
        self._settings = config
        self._api = api
        self._open = build_opener(_NoRedirects()).open
        self._asking = 0
        # The one ordinary type: one of our own would be a stage of everybody's confirmations.
        api.register_password_auth_provider_callbacks(
            auth_checkers={("m.login.password", ("password",)): self.check}
        )

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> Settings:
        """Return what the operator wrote; Synapse does not start with a mistake in it."""
        if unknown := set(config) - _KNOWN_SETTINGS:
            raise SynapseConfigError(f"oidc-bridge: unknown settings: {', '.join(sorted(unknown))}")
        texts = {name: config.get(name) for name in ("url", "client_id", "idp_id")}
        for name, value in texts.items():
            if not isinstance(value, str) or not value:
                raise SynapseConfigError(f"oidc-bridge: {name} is missing")
        url, idp_id = str(texts["url"]), str(texts["idp_id"])
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.netloc:
            raise SynapseConfigError("oidc-bridge: url must be an https address")
        adopt = config.get("adopt_existing", False)
        if not isinstance(adopt, bool):
            raise SynapseConfigError("oidc-bridge: adopt_existing must be true or false")
        return Settings(
            url=url,
            client_id=str(texts["client_id"]),
            client_secret=_secret(config),
            # Synapse puts "oidc-" before all but the idp_id of old configurations.
            provider=idp_id if idp_id == "oidc" else f"oidc-{idp_id}",
            adopt_existing=adopt,
        )

    async def check(
        self, username: str, login_type: str, login_dict: Mapping[str, Any]
    ) -> tuple[str, AfterLogin | None] | None:
        """Return whose password it is, and what to do once they are signed in; None if not ours.

        It never raises: to Synapse, a bridge that is away is a password that is wrong.
        """
        password = login_dict.get("password")
        if not isinstance(password, str) or not is_ours(password):
            return None
        try:
            answer = await self._ask(username, password)
            if answer is None:
                return None
            user_id = await self._find_user(answer)
        except (SynapseError, OSError, HTTPException, ValueError) as error:
            # Of what was asked nothing is said: it is a password.
            log.warning("the bridge could not be asked, or its person not be let in: %r", error)
            return None
        if user_id is None:
            return None
        return user_id, self._tie(answer.session) if answer.session else None

    async def _ask(self, username: str, password: str) -> Answer | None:
        """Ask in a thread, not with ``api.http_client``: that writes bodies to the debug log."""
        if self._asking >= _AT_ONCE:
            log.warning("the bridge is slow: %s questions wait for it", self._asking)
            return None
        self._asking += 1
        try:
            body = await self._api.defer_to_thread(self._post, username, password)
        finally:
            self._asking -= 1
        return read_answer(body)

    def _post(self, username: str, password: str) -> bytes:
        settings = self._settings
        # RFC 6749 section 2.3.1 wants both form-encoded, as Synapse itself sends them.
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
        request = Request(  # noqa: S310  (the operator's own address; `parse_config` read it)
            settings.url,
            data=json.dumps({"user": username, "password": password}).encode(),
            headers={
                "Authorization": f"Basic {b64encode(pair.encode()).decode()}",
                "Content-Type": "application/json",
            },
            method="POST",
        )
        with self._open(request, timeout=_SECONDS) as answer:
            body: bytes = answer.read(_MAX_ANSWER)
        return body

    async def _find_user(self, answer: Answer) -> str | None:
        """Return a proven person's Matrix user, made if they are new; None if it is not theirs.

        Whose an account is, Synapse's own record says, the one that SSO goes by. The bridge cannot
        know it: it may have given a name out that was a local account's here all along.
        """
        api, provider = self._api, self._settings.provider
        user_id = api.get_qualified_user_id(answer.localpart)
        owned = await self._user_of(answer.subject)
        if owned is not None:
            # Not always of that name: where it was taken, SSO put a number behind it.
            return owned if await api.check_user_exists(owned) == owned else None
        if await api.check_user_exists(user_id):
            if not await self._may_adopt(user_id):
                log.warning("%s is here already and is not the bridge's person: refused", user_id)
                return None
            log.info("%s goes to the bridge's person of this name (adopt_existing)", user_id)
        else:
            user_id = await api.register_user(answer.localpart, answer.display_name)
        await api.record_user_external_id(provider, answer.subject, user_id)
        return user_id

    async def _may_adopt(self, user_id: str) -> bool:
        """Return whether a same-named account may be given to the bridge's person.

        Never one that is somebody's at the bridge, in their own casing only, and never an admin's.
        """
        return (
            self._settings.adopt_existing
            and await self._api.check_user_exists(user_id) == user_id
            and not await self._is_anybodys(user_id)
            and not await self._api.is_user_admin(user_id)
        )

    async def _user_of(self, subject: str) -> str | None:
        def look(transaction: Any) -> Any:
            transaction.execute(
                "SELECT user_id FROM user_external_ids WHERE auth_provider = ? AND external_id = ?",
                (self._settings.provider, subject),
            )
            return transaction.fetchone()

        row = await self._api.run_db_interaction("oidc_bridge_user_of", look)
        return None if row is None else str(row[0])

    async def _is_anybodys(self, user_id: str) -> bool:
        def look(transaction: Any) -> Any:
            transaction.execute(
                "SELECT 1 FROM user_external_ids WHERE auth_provider = ? AND user_id = ?",
                (self._settings.provider, user_id),
            )
            return transaction.fetchone()

        row = await self._api.run_db_interaction("oidc_bridge_is_anybodys", look)
        return row is not None

    def _tie(self, session: str) -> AfterLogin:
        """Return what ties the new device to the bridge's *session*.

        From then on it is signed out as one that came by SSO is: by back-channel logout. If that
        cannot be kept, the login fails: nobody could take it back.
        """

        async def tie(login: Mapping[str, Any]) -> None:
            device = (login["user_id"], login["device_id"], self._settings.provider, session)
            await self._api.run_db_interaction("oidc_bridge_tie_device", _tie_device, device)

        return tie


def is_ours(password: str) -> bool:
    """Return whether *password* has one of the shapes that the bridge is asked about."""
    kept = _IGNORED.sub("", password)
    # Asked first: lower() makes a k of a Kelvin sign.
    if kept.isascii() and _APP_PASSWORD.fullmatch(kept.lower()):
        return True
    match password.split("|"):
        case [_, second, third]:
            return third.startswith("SIG_") or _APP.match(second) is not None
    return False


def read_answer(body: bytes) -> Answer | None:
    """Return the bridge's yes; None if it said no.

    Raises:
        ValueError: it is not an answer of the bridge's.
    """
    said = json.loads(body)
    if not isinstance(said, dict) or not isinstance(said.get("ok"), bool):
        raise ValueError("not an answer of the bridge's")
    if not said["ok"]:
        return None
    display_name, session = said.get("display_name"), said.get("session", "")
    localpart, subject = said.get("localpart"), said.get("subject")
    if (
        not isinstance(localpart, str)
        or not isinstance(subject, str)
        or not (localpart and subject)
        # Synapse would take it for a whole Matrix ID.
        or localpart.startswith("@")
        or not isinstance(session, str)
        or not (display_name is None or isinstance(display_name, str))
    ):
        raise ValueError("not an answer of the bridge's")
    return Answer(localpart, display_name, subject, session)


def _tie_device(transaction: Any, device: tuple[str, str, str, str]) -> None:
    """Write to Synapse's own list of devices that SSO sessions opened."""
    transaction.execute(
        "SELECT 1 FROM device_auth_providers WHERE user_id = ? AND device_id = ?"
        " AND auth_provider_id = ? AND auth_provider_session_id = ?",
        device,
    )
    if transaction.fetchone() is None:
        transaction.execute(
            "INSERT INTO device_auth_providers"
            " (user_id, device_id, auth_provider_id, auth_provider_session_id)"
            " VALUES (?, ?, ?, ?)",
            device,
        )


def _secret(config: Mapping[str, Any]) -> str:
    secret, path = config.get("client_secret"), config.get("client_secret_path")
    if len([way for way in (secret, path) if way is not None]) != 1:
        raise SynapseConfigError("oidc-bridge: give either client_secret or client_secret_path")
    if path is not None:
        try:
            secret = Path(str(path)).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SynapseConfigError(f"oidc-bridge: client_secret_path: {error}") from error
    if not isinstance(secret, str) or not secret:
        raise SynapseConfigError("oidc-bridge: the client secret is empty")
    return secret

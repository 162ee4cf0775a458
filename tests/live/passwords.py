"""A Synapse that takes passwords, and those who sign in to it without a browser."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

import requests

from tests.live.person import MatrixSession
from tests.live.synapse import Synapse
from tests.live.tools import free_port
from tests.live.world import World

REGISTRATION_SECRET = "for tests alone"
# All that Synapse can say: nothing of it may be a password.
LOG_CONFIG = """\
{"version": 1,
 "formatters": {"f": {"format": "%(name)s %(message)s"}},
 "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
 "root": {"level": "DEBUG", "handlers": ["h"]},
 "loggers": {"synapse.storage.SQL": {"level": "INFO"}}}
"""


def with_passwords(folder: Path) -> Synapse:
    """Return a Synapse, not yet running, that takes passwords, and logs all that it can."""
    log_config = folder / "log.yaml"
    log_config.write_text(LOG_CONFIG)
    more = {
        "password_config": {"enabled": True},
        "registration_shared_secret": REGISTRATION_SECRET,
        "log_config": str(log_config),
    }
    return Synapse(folder / "synapse", free_port(), more)


def log_in(world: World, user: str, password: str) -> requests.Response:
    """Sign in as a Matrix client without a browser does."""
    form = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
    }
    return world.synapse.ask("POST", "v3/login", json=form)


def is_let_in(world: World, user: str, password: str) -> bool:
    answer = log_in(world, user, password)
    if answer.status_code == 200:
        return True
    assert (answer.status_code, answer.json()["errcode"]) == (403, "M_FORBIDDEN"), answer.text
    return False


def session_of(answer: requests.Response) -> MatrixSession:
    assert answer.status_code == 200, answer.text
    said = answer.json()
    return MatrixSession(said["user_id"], said["device_id"], said["access_token"])


def is_signed_in(world: World, session: MatrixSession) -> bool:
    return world.synapse.ask("GET", "v3/account/whoami", session.access_token).status_code == 200


def register(world: World, user: str, password: str, *, admin: bool = False) -> str:
    """Make an account of Synapse's own; return its access token."""
    url = f"{world.synapse.base_url}_synapse/admin/v1/register"
    nonce = requests.get(url, timeout=30).json()["nonce"]
    signed = "\0".join((nonce, user, password, "admin" if admin else "notadmin"))
    mac = hmac.new(REGISTRATION_SECRET.encode(), signed.encode(), hashlib.sha1).hexdigest()
    form = {"nonce": nonce, "username": user, "password": password, "admin": admin, "mac": mac}
    answer = requests.post(url, json=form, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def delete_device(
    world: World, session: MatrixSession, other: MatrixSession, password: str
) -> requests.Response:
    """Delete the device of *other*, and confirm it by *password* when Synapse asks."""
    path = f"v3/devices/{other.device_id}"
    asked = world.synapse.ask("DELETE", path, session.access_token, json={}).json()
    assert ["m.login.password"] in [flow["stages"] for flow in asked["flows"]]
    auth: dict[str, Any] = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": session.user_id},
        "password": password,
        "session": asked["session"],
    }
    return world.synapse.ask("DELETE", path, session.access_token, json={"auth": auth})

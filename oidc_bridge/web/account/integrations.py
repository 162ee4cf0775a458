"""Accounts for Matrix clients that take us for an integration manager (MSC1961).

The same check and the same sessions as the widget's. What they open is in `web.account.widget`.
"""

from datetime import datetime

from flask import Blueprint, Response, request

from oidc_bridge.errors import MatrixTokenError
from oidc_bridge.storage import read, write
from oidc_bridge.storage.widget import close_widget
from oidc_bridge.web import bridge, json_answer
from oidc_bridge.web.account.widget import find_bearer, get_visitor, note, open_session

views = Blueprint("integrations", __name__, url_prefix="/_matrix/integrations/v1/account")


@views.errorhandler(MatrixTokenError)
def show_refusal(error: MatrixTokenError) -> Response:
    """Refuse in the words of Matrix."""
    note(error)
    return json_answer({"errcode": error.errcode, "error": error.sentence}, status=error.status)


@views.post("/register")
def register() -> Response:
    """Take a Matrix OpenID token, once, for a bearer token of ours."""
    bearer, _ = open_session()
    return json_answer({"token": bearer})


@views.get("")
def account() -> Response:
    """Say whose bearer token it is."""
    with read() as connection:
        visitor = get_visitor(connection, _bearer(), bridge().clock())
    return json_answer({"user_id": visitor.widget.user.mxid})


@views.post("/logout")
def logout() -> Response:
    """End a bearer token."""
    now: datetime = bridge().clock()
    bearer = _bearer()
    with read() as connection:
        get_visitor(connection, bearer, now)
    write(lambda connection: close_widget(connection, bearer))
    return json_answer({})


def _bearer() -> str:
    """Return the bearer token: of the header, or as MSC1961 allows too, of the query."""
    return find_bearer() or request.args.get("access_token", "")

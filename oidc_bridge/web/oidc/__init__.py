"""What clients speak to: OpenID Connect and OAuth, from discovery to the end of a session."""

from oidc_bridge.web.oidc import (
    authorize,
    documents,
    end_session,
    par,
    registration,
    token,
    tokens_about,
)

VIEWS = tuple(
    part.views
    for part in (authorize, documents, end_session, par, registration, token, tokens_about)
)

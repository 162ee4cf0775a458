"""For clients that know passwords alone: what a person types in a password's place."""

from oidc_bridge.web.doors import matrix_password, oichat, one_time

VIEWS = tuple(part.views for part in (matrix_password, oichat, one_time))

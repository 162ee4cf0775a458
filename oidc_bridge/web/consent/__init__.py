"""What is put to a person about an app: may it, and if not, who can change that."""

from oidc_bridge.web.consent import page, refused

VIEWS = tuple(part.views for part in (page, refused))

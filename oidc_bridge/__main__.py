"""``python -m oidc_bridge`` is the command ``oidc-bridge``."""

from oidc_bridge.cli import main

main()

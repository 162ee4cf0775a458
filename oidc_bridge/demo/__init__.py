"""What ``oidc-bridge demo`` shows: the whole bridge on one machine, with everything around it.

A bridge needs a wallet on one side and an app on the other. Both are here, small: `wallet` makes
the tokens that real wallets make, with keys that are worth nothing, and `wallet_page` shows it;
`relying_party` is an OpenID client, and `app` and `matrix` are two apps that people sign in to.
`servers` runs them, `synapse` a real homeserver. Nothing else in the bridge imports any of it.
"""

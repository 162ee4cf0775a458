"""What ``oidc-bridge demo`` shows: the whole bridge on one machine, with a throw-away wallet.

The wallet here makes the tokens that real wallets make, with keys that are worth nothing. It
imports `oidc_bridge.proofs` and nothing above; the bridge itself never imports it.
"""

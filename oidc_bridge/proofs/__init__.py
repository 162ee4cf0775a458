"""The wallets' bank: an answer becomes an `Identity`.

Each file here is one way to prove an identity and implements `oidc_bridge.identity.Proof`. Nothing
in this package knows a database, a clock or the web; what it must ask outside goes through the
`Fetch` that it is given. To add a proof, write its file and name it in ``factory.py``.
"""

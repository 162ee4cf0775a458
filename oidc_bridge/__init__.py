"""The bridge between wallets and Matrix: an OpenID Connect provider for identities people own."""

__version__ = "0.1.0"

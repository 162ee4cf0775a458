"""OpenID's bank: an `Identity` becomes tokens.

Spoken here: OAuth 2.0 (RFC 6749) with the authorization code and PKCE S256 (RFC 7636) for every
client, OpenID Connect Core and Discovery, issuer identification (RFC 9207), back-channel logout.
Not spoken: implicit and hybrid flows, the password grant. What is done section by section stands
in ``docs/specifications.md``.
"""

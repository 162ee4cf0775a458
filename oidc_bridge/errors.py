"""Every way the bridge can fail.

An error has three voices that never mix: a ``code`` (stable, for logs, tests and the wire), a
``detail`` (for the operator's log) and words for the person, which belong to the code and are in
`web.explanations`.
"""


class BridgeError(Exception):
    """Base of all errors that we raise on purpose."""

    def __init__(self, code: str, detail: str = "") -> None:
        # A detail quotes what came from outside; in a log it must stay on its line.
        self.detail = "".join(
            sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in detail
        )
        self.code = code
        super().__init__(f"{code}: {self.detail}" if detail else code)


class ConfigError(BridgeError):
    """The operator's configuration cannot be used; the server does not start."""


class FetchError(BridgeError):
    """A request to the outside failed or was not allowed."""


class RedirectError(FetchError):
    """Somebody answered, and with a redirect, which is never followed."""


class ProofError(BridgeError):
    """A wallet's answer does not prove what it claims."""


class PageError(BridgeError):
    """A page cannot be shown or a form not be taken; the person is told why.

    ``status`` is the HTTP status of the page.
    """

    def __init__(self, code: str, detail: str = "", *, status: int = 400) -> None:
        super().__init__(code, detail)
        self.status = status


class ShownError(PageError):
    """An authorization request that must not be answered by a redirect.

    RFC 6749 section 4.1.2.1: while the client or its redirect URI is in doubt, nothing is ever
    sent there.
    """


class SentError(BridgeError):
    """An error that goes to the client: ``error`` and ``error_description`` of the RFCs.

    ``code`` is the RFC's word (``invalid_request``, ``access_denied`` ...). ``detail`` is sent as
    ``error_description``: Synapse shows it to the person, so it is a sentence, in ASCII without
    ``"`` and backslash (RFC 6749 section 5.2).
    """

    def __init__(self, code: str, detail: str, *, status: int = 400) -> None:
        super().__init__(code, detail)
        self.status = status


class TokenError(SentError):
    """A protected resource refuses what was brought to open it (RFC 6750 section 3).

    ``is_quiet`` if nothing was brought: then the challenge names no error (section 3.1).
    ``scheme`` is what should have been brought: ``DPoP`` for a bound token (RFC 9449 7.1).
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 401,
        is_quiet: bool = False,
        scheme: str = "Bearer",
    ) -> None:
        super().__init__(code, detail, status=status)
        self.is_quiet = is_quiet
        self.scheme = scheme


class MatrixTokenError(BridgeError):
    """A Matrix OpenID token, or the bearer token that was got for one, opens nothing.

    ``code`` is a word of ours, which our widget's script knows; ``errcode`` is Matrix's for it,
    and ``sentence`` goes with either.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.status, self.errcode, self.sentence = _MATRIX_ERRORS[code]
        super().__init__(code, detail)


_MATRIX_ERRORS: dict[str, tuple[int, str, str]] = {
    "token_malformed": (400, "M_BAD_JSON", "This is no OpenID token of a homeserver."),
    "token_refused": (401, "M_UNAUTHORIZED", "The homeserver does not know this token any more."),
    "token_spent": (403, "M_FORBIDDEN", "This token was used here before: get a new one."),
    "server_unknown": (403, "M_FORBIDDEN", "This homeserver is not one of those served here."),
    "server_unreachable": (502, "M_UNKNOWN", "The homeserver gave no answer."),
    "server_unready": (502, "M_UNKNOWN", "The homeserver does not answer for OpenID tokens."),
    "user_malformed": (403, "M_FORBIDDEN", "The homeserver named nobody of its own."),
    "account_unknown": (403, "M_FORBIDDEN", "Nobody has an account here by this Matrix ID."),
    "session_over": (401, "M_UNKNOWN_TOKEN", "This access has ended: get a new token."),
    "not_found": (404, "M_NOT_FOUND", "There is nothing here."),
}

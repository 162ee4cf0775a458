"""The tables of ``config.toml``, one class each, and what their values must look like.

All frozen and closed: a setting that is not here stops the start. `oidc_bridge.config` puts them
together, and reads the file.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from oidc_bridge.origins import read_origin


def _check_origin(value: str) -> str:
    """Accept ``https://host[:port]`` or ``http://...``, spelt as a browser would."""
    origin = read_origin(value)
    if value != str(origin):
        raise ValueError(f"must be an origin, spelt {origin}")
    return value


def _check_issuer(value: str) -> str:
    if not read_origin(value).is_trustworthy:
        raise ValueError("must be https (http is for localhost only)")
    return value


def _check_web_address(value: str) -> str:
    read_origin(value)
    return value


def _check_line(value: str) -> str:
    # It stands in the text that wallets sign, where a second line would be another statement.
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value


Line = Annotated[str, AfterValidator(_check_line)]
Origin = Annotated[str, AfterValidator(_check_origin)]
Issuer = Annotated[Origin, AfterValidator(_check_issuer)]
WebAddress = Annotated[str, AfterValidator(_check_web_address)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WebWallet(_Section):
    """A wallet that lives at a web address and answers by redirect."""

    name: str = Field(min_length=1, max_length=40)
    url: WebAddress


class NameLookup(_Section):
    """A name service to ask who owns a name, and for names of which form."""

    url: WebAddress
    labels: frozenset[Literal[2, 3]] = Field(default=frozenset({2}), min_length=1)
    # Names of two labels are traded on BNS v2, and v1 still shows who owned them before; so
    # whoever wants another system for them, or one for both, must say so.
    system: Literal["v2", "v1", "legacy"] = Field(
        default_factory=lambda read: "v1" if read.get("labels") == {3} else "v2"
    )

    @model_validator(mode="after")
    def _check_system(self) -> Self:
        if self.system == "v2" and 3 in self.labels:
            raise ValueError("system v2 has names of 2 labels only; v1 and legacy have those of 3")
        return self


class Names(_Section):
    """Who is asked for names, for how many seconds, and how long an answer is remembered."""

    cache: int = Field(default=300, ge=0, le=86_400)
    budget: float = Field(default=3.0, gt=0, le=30)
    services: tuple[NameLookup, ...] = ()

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        # Two opinions on one name would be an invitation to pick the one that suits.
        trusted: dict[int, str] = {}
        for service in self.services:
            for labels in sorted(service.labels):
                if labels in trusted:
                    raise ValueError(
                        f"{trusted[labels]} and {service.url} both have names of {labels} labels"
                    )
                trusted[labels] = service.url
        return self


class SignInPolicy(_Section):
    """Which proofs open an account (`oidc_bridge.sitting`), and whose chain messages name."""

    accept: Literal["either", "authresponse", "message", "both"] = "either"
    network: Literal["mainnet", "testnet"] = "mainnet"


class AntelopeChain(_Section):
    """A chain whose accounts may sign in, and whom to ask about it (docs/eos.md)."""

    id: str = Field(pattern=r"^[0-9a-f]{64}$")
    nodes: tuple[WebAddress, ...] = Field(min_length=1, max_length=4)
    # Which a signature may name; a permission of another name often sits in a game's hot key.
    permissions: frozenset[str] = Field(default=frozenset({"active", "owner"}), min_length=1)
    # How old the block that a sentence names may be, in seconds.
    max_age: int = Field(default=270, ge=10, le=600)

    @property
    def node_urls(self) -> tuple[str, ...]:
        """The nodes' addresses, ready for a path to be added."""
        return tuple(url.rstrip("/") for url in self.nodes)


class Antelope(_Section):
    """Accounts of EOS (Vaulta) and its kin; nobody signs in so while there is no chain."""

    # For how many seconds all questions of one sign-in may wait together.
    budget: float = Field(default=8.0, gt=0, le=30)
    # Whether the sign-in page takes their sentence too, which says for which site it is as little
    # as by the other door, but opens the whole account.
    web: bool = False
    chains: tuple[AntelopeChain, ...] = ()

    @model_validator(mode="after")
    def _check_chains(self) -> Self:
        if self.web and not self.chains:
            raise ValueError("web needs a chain")
        # Subjects name a chain by the half of its id that CAIP-2 takes.
        if len({chain.id[:32] for chain in self.chains}) < len(self.chains):
            raise ValueError("two chains have the same id")
        return self


class Server(_Section):
    """Where `serve` listens, and with how many hands."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    # Each may wait for a name service for some seconds; more than a few cost speed.
    threads: int = Field(default=4, ge=1, le=256)


class Lifetimes(_Section):
    """How long things live, in seconds."""

    request: int = Field(default=3600, ge=60, le=86_400)
    challenge: int = Field(default=600, ge=60, le=3600)
    code: int = Field(default=60, ge=10, le=600)
    access_token: int = Field(default=300, ge=30, le=86_400)
    id_token: int = Field(default=3600, ge=30, le=86_400)
    refresh_token: int = Field(default=30 * 86_400, ge=3600, le=400 * 86_400)
    refresh_grace: int = Field(default=30, ge=0, le=300)
    refresh_family: int = Field(default=180 * 86_400, ge=3600, le=400 * 86_400)
    signing_key: int = Field(default=0, ge=0, le=400 * 86_400)
    session: int = Field(default=30 * 86_400, ge=300, le=400 * 86_400)
    consent: int = Field(default=180 * 86_400, ge=3600, le=400 * 86_400)

    @model_validator(mode="after")
    def _check_signing_key(self) -> Self:
        # A key that is to sign must have been published for longer than anybody caches the JWKS.
        if 0 < self.signing_key < 86_400:
            raise ValueError("signing_key must be a day or more, or 0")
        return self


class Registration(_Section):
    """Whether clients may register themselves (RFC 7591), and how many."""

    # token: with an initial access token of the operator's.
    mode: Literal["closed", "token", "open"] = "closed"
    # Every process holds all clients in memory, and reads them once a second.
    limit: int = Field(default=1000, ge=1, le=100_000)
    # Like the setting above of this name, for addresses that such clients name. Apart from it,
    # since whoever may register could have us call any of these.
    allow_private: frozenset[Origin] = frozenset()


class OiChatDoor(_Section):
    """Whether chat apps may sign people in by a challenge that the app's own key answers."""

    enabled: bool = False
    # The right half of Matrix IDs there; every challenge names it.
    server_name: str | None = Field(default=None, min_length=1, max_length=230)
    # Not even a file in the app's storage is enough without its signature.
    require_signature: bool = False
    # Hubs where nobody but a key's holder writes into the key's folder; none, and a zone file
    # cannot point to another key than the owner's.
    gaia: frozenset[Origin] = frozenset({"https://gaia.blockstack.org", "https://gaia.hiro.so"})
    # A Stacks API that still has zone files of names whose owners a v2 service tells.
    zone_files: WebAddress | None = None

    @model_validator(mode="after")
    def _check_server_name(self) -> Self:
        if self.enabled and not self.server_name:
            raise ValueError("server_name is needed: every challenge names it")
        return self


class Homeserver(_Section):
    """A homeserver whose people may open their account here in a widget."""

    # Case counts, and a port belongs to it (Matrix appendices, "Server Name").
    server_name: str = Field(pattern=r"^[A-Za-z0-9.:\[\]-]{1,230}$")
    url: WebAddress

    @model_validator(mode="after")
    def _check_url(self) -> Self:
        if set("?#") & set(self.url):
            raise ValueError("url must be a base address, without ? and #")
        return self


class Widget(_Section):
    """The account page inside of Matrix clients (MSC1960): who may show it, and to whose people."""

    clients: frozenset[Issuer] = frozenset()
    homeservers: tuple[Homeserver, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether there is a widget at all."""
        return bool(self.clients)

    @property
    def urls(self) -> dict[str, str]:
        """The homeservers' addresses by their server names."""
        return {known.server_name: known.url for known in self.homeservers}

    @model_validator(mode="after")
    def _check_both(self) -> Self:
        if bool(self.clients) != bool(self.homeservers):
            raise ValueError("clients and homeservers: a widget needs one of each at least")
        if len(self.urls) != len(self.homeservers):
            raise ValueError("two homeservers have the same server_name")
        return self

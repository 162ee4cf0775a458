"""`create_app`: the one place where settings, proofs, storage, fetch and views are joined."""

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from flask import Flask

from oidc_bridge import storage
from oidc_bridge.config import Settings, data_dir, load
from oidc_bridge.errors import BridgeError
from oidc_bridge.fetch import GuardedFetch
from oidc_bridge.identity import Proof
from oidc_bridge.logout import Courier
from oidc_bridge.ports import Fetch, PostJson
from oidc_bridge.proofs.blockstack import Blockstack
from oidc_bridge.proofs.named_profile import FindProfile, NamedProfile, find_profile
from oidc_bridge.proofs.names import NameService
from oidc_bridge.proofs.oichat import OiChat
from oidc_bridge.proofs.stacks import Stacks
from oidc_bridge.sitting import methods_of
from oidc_bridge.storage import db
from oidc_bridge.storage.schema import check_schema
from oidc_bridge.web import (
    Bridge,
    account,
    admin,
    consent,
    doors,
    install,
    logos,
    oidc,
    public,
    sign_out,
    signin,
    system_clock,
)
from oidc_bridge.web.fetched_keys import FetchedKeys
from oidc_bridge.web.snapshot import Snapshots

_MAX_BODY = 256 * 1024


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = system_clock,
    fetch: Fetch | None = None,
    post_json: PostJson | None = None,
) -> Flask:
    """Return the bridge as a WSGI application, ready to serve.

    Args:
        fetch: What reaches outside; the guarded one if not given.
        post_json: What asks the nodes of chains; the guarded one if not given.

    Raises:
        ConfigError: if the key file, the schema or the signing keys are not as they must be.
    """
    seal = settings.seal()
    app = bare_app(settings)
    with app.app_context():
        try:
            check_schema(db.engine)
            snapshots = Snapshots(db.engine, seal, settings)
            snapshots.current()
        except BridgeError:
            db.engine.dispose()
            raise
    proofs = {proof.method: proof for proof in make_proofs(settings, fetch)}
    services = name_services(settings)
    reach = fetch or make_fetch(settings)
    strangers = fetch or make_strangers_fetch(settings, exempt=settings.registration.allow_private)
    keys = FetchedKeys(strangers)
    # Threads of its own: a node that is slow keeps nobody from a name service.
    post = post_json or make_fetch(settings).post_json
    parts = Bridge(
        *(settings, seal, proofs, services, reach, snapshots, strangers, keys, clock),
        post_json=post,
        find_profile=profile_finder(settings),
        oichat=make_oichat(settings, fetch),
    )
    install(app, parts)
    for views in (
        *(public.views, logos.views, sign_out.views),
        *(*oidc.VIEWS, *signin.VIEWS, *consent.VIEWS),
        *(*account.VIEWS, *doors.VIEWS, *admin.VIEWS),
    ):
        app.register_blueprint(views)
    return app


def from_environment() -> Flask:
    """Return the bridge of the file that ``OIDC_BRIDGE_CONFIG`` names, for any WSGI server.

    For example ``gunicorn -k gthread 'oidc_bridge.factory:from_environment()'``. To be called in
    the process that serves: it starts the thread that brings sign-outs to clients, and a thread
    does not survive a fork.
    """
    settings = load(Path(os.environ.get("OIDC_BRIDGE_CONFIG", "config.toml")))
    app = create_app(settings)
    threading.Thread(target=_deliver, args=(app, settings), name="courier", daemon=True).start()
    # What is loaded now stays: the collector need not look at it again with every generation.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    return app


def _deliver(app: Flask, settings: Settings) -> None:
    with app.app_context():
        make_courier(settings).keep_delivering(threading.Event())


def make_courier(settings: Settings) -> Courier:
    """Return the outbox's worker; it needs an application context to work in."""
    # What an operator typed is exempt by itself; this is for clients that registered themselves.
    exempt, private_ca = settings.registration.allow_private, settings.private_ca
    post = GuardedFetch(exempt=exempt, private_ca=private_ca).post_form
    return Courier(settings.issuer, settings.seal(), post, system_clock)


def bare_app(settings: Settings) -> Flask:
    """Return the application with its database and nothing else."""
    app = Flask(
        __name__,
        template_folder=str(data_dir("templates")),
        static_folder=str(data_dir("templates") / "static"),
        static_url_path="/static",
    )
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database,
        SQLALCHEMY_ENGINE_OPTIONS=storage.engine_options(
            settings.database, threads=settings.server.threads
        ),
        MAX_CONTENT_LENGTH=_MAX_BODY,
        MAX_FORM_MEMORY_SIZE=_MAX_BODY,
        MAX_FORM_PARTS=64,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(hours=1),
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.jinja_options = {"autoescape": True}
    db.init_app(app)
    with app.app_context():
        storage.tune(db.engine)
    return app


@contextmanager
def open_database(settings: Settings, *, check: bool = True) -> Iterator[None]:
    """Let `storage` work inside this context, without a web server; for the command line.

    Raises:
        ConfigError: ``schema_behind``, unless told not to *check*.
    """
    with bare_app(settings).app_context():
        try:
            if check:
                check_schema(db.engine)
            yield
        finally:
            db.engine.dispose()


def make_fetch(settings: Settings) -> GuardedFetch:
    """Return the only way out."""
    return GuardedFetch(exempt=settings.allow_private, private_ca=settings.private_ca)


def make_strangers_fetch(settings: Settings, *, exempt: frozenset[str]) -> GuardedFetch:
    """Return the way out to addresses that strangers named: half of our threads stay free of it."""
    return GuardedFetch(
        exempt=exempt,
        budget=2.0,
        at_once=max(1, settings.server.threads // 2),
        private_ca=settings.private_ca,
    )


def make_proofs(settings: Settings, fetch: Fetch | None = None) -> list[Proof]:
    """Return the enabled proofs. Another wallet is one file and one line here.

    Args:
        fetch: What reaches outside; the guarded one if not given.
    """
    # No exemption holds for addresses that come from wallets.
    strangers = make_strangers_fetch(settings, exempt=frozenset())
    issuer = settings.issuer
    proofs: list[Proof] = [
        Stacks(origin=issuer, network=settings.sign_in.network),
        Blockstack(
            origin=issuer,
            answer_uri=f"{issuer}/sign-in/answer",
            manifest_uri=f"{issuer}/manifest.json",
            app_name=settings.name,
            app_icon=f"{issuer}/static/icon.png",
            strangers=fetch or strangers,
        ),
    ]
    enabled = methods_of(settings.sign_in.accept)
    return [proof for proof in proofs if proof.method in enabled]


def make_oichat(settings: Settings, fetch: Fetch | None = None) -> OiChat | None:
    """Return what checks the passwords of chat apps, if the operator wants them."""
    door = settings.oichat
    if not door.enabled or door.server_name is None:
        return None
    # Of addresses that come from people's profiles, only a hub of the operator's own is exempt.
    own_hubs = door.gaia & settings.allow_private
    return OiChat(
        server_name=door.server_name,
        services=name_services(settings),
        fetch=fetch or make_fetch(settings),
        strangers=fetch or make_strangers_fetch(settings, exempt=own_hubs),
        gaia=door.gaia,
        zone_files=_zone_files(settings),
        require_signature=door.require_signature,
        loopback=not settings.is_https,
    )


def profile_finder(settings: Settings) -> Callable[..., NamedProfile]:
    """Return `find_profile` as chat apps' passwords use it, also where that door is closed."""
    return partial(
        find_profile,
        services=name_services(settings),
        gaia=settings.oichat.gaia,
        zone_files=_zone_files(settings),
    )


def make_find_profile(settings: Settings) -> FindProfile:
    """Return what finds developers' profiles, for the command line."""
    return partial(
        profile_finder(settings),
        fetch=make_fetch(settings),
        strangers=make_strangers_fetch(settings, exempt=settings.registration.allow_private),
    )


def _zone_files(settings: Settings) -> NameService | None:
    url = settings.oichat.zone_files
    return NameService(url, frozenset({2})) if url else None


def name_services(settings: Settings) -> tuple[NameService, ...]:
    """Return the name services that the operator trusts, each with its kinds of names."""
    return tuple(
        NameService(known.url, known.labels, known.system) for known in settings.names.services
    )

"""The outbox's worker: brings logout tokens to the clients, and tries again until they have them.

Back-Channel Logout 1.0 section 2.5. A person who signs out never waits for this: the page is done
once the deliveries are kept. Any number of workers may run; each delivery is claimed before it is
sent, and one whose worker died is due again when the claim runs out.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Protocol

from oidc_bridge.errors import FetchError
from oidc_bridge.oidc.keys import active, sign
from oidc_bridge.oidc.tokens import logout_token_claims
from oidc_bridge.ports import Fetched
from oidc_bridge.seal import Seal
from oidc_bridge.storage import new_id, read, write
from oidc_bridge.storage.apps import get_client
from oidc_bridge.storage.keys import all_keys
from oidc_bridge.storage.outbox import (
    TOLD,
    LogoutDelivery,
    claim_delivery,
    is_date_due,
    is_delivery_due,
    settle_delivery,
    tell_of_dates,
)

log = logging.getLogger(__name__)

_LEASE = timedelta(seconds=60)
# Five seconds, then ten, doubling up to an hour; about two days in all.
_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(hours=1)
_MAX_TRIES = 58
_MAX_REFUSALS = 5
_POLL_SECONDS = 1.0


class Post(Protocol):
    """POST a form, guarded."""

    def __call__(
        self, url: str, fields: Mapping[str, str], *, is_operators: bool = False
    ) -> Fetched:
        """Return what came; FetchError if nothing did."""
        ...


@dataclass(frozen=True, slots=True)
class Courier:
    """Sends what is due."""

    issuer: str
    seal: Seal
    post: Post
    clock: Callable[[], datetime]

    def deliver(self) -> int:
        """Try every delivery that is due; return how many were tried."""
        self._tell_of_dates()
        tried = 0
        while (delivery := self._claim()) is not None:
            self._try(delivery)
            tried += 1
        return tried

    def _tell_of_dates(self) -> None:
        """Let what app passwords opened at homeservers end with their date: nobody presses it."""
        now = self.clock()
        with read() as connection:
            if not is_date_due(connection, now=now):
                return
        write(lambda connection: tell_of_dates(connection, now=now))

    def _claim(self) -> LogoutDelivery | None:
        now = self.clock()
        with read() as connection:  # asked every second: nobody shall wait for a lock because of it
            if not is_delivery_due(connection, now=now):
                return None
        return write(lambda connection: claim_delivery(connection, now=now, lease=_LEASE))

    def keep_delivering(self, stop: Event) -> None:
        """Deliver until told to stop; a database that is away for a while is waited for."""
        while not stop.is_set():
            try:
                is_idle = self.deliver() == 0
            except Exception:  # whatever it is: nobody would see that this thread has ended
                log.exception("logout deliveries failed; trying again")
                is_idle = True
            if is_idle:
                stop.wait(_POLL_SECONDS)

    def _try(self, delivery: LogoutDelivery) -> None:
        outcome, is_over = self._send(delivery)
        now = self.clock()
        is_over = is_over or delivery.tries >= _MAX_TRIES
        # The exponent is bounded before it is raised: 2**58 seconds is not a timedelta.
        pause = min(_FIRST_PAUSE * 2 ** min(delivery.tries - 1, 12), _LONGEST_PAUSE)
        log.log(
            logging.INFO if outcome == TOLD else logging.WARNING,
            "logout delivery outcome=%s client=%s tries=%s over=%s",
            outcome,
            delivery.client_id,
            delivery.tries,
            is_over,
        )
        write(
            lambda connection: settle_delivery(
                connection,
                delivery,
                outcome=outcome,
                done_at=now if is_over else None,
                next_try_at=now + pause,
            )
        )

    def _send(self, delivery: LogoutDelivery) -> tuple[str, bool]:
        """Return how it went, and whether there is no use in another try."""
        claims = logout_token_claims(
            issuer=self.issuer,
            client_id=delivery.client_id,
            sub=delivery.sub,
            sid=delivery.sid,
            jti=new_id(),
            now=self.clock(),
        )
        with read() as connection:
            client = get_client(connection, delivery.client_id)
            # Section 2.6: clients expect the algorithm of their ID tokens.
            algorithm = client.metadata.id_token_signed_response_alg
            signing_key = active(all_keys(connection, self.seal), algorithm)
        token = sign(claims, signing_key, typ="logout+jwt")
        try:
            # What an operator registered may be internal, as a Synapse often is; nothing else.
            answer = self.post(
                delivery.uri, {"logout_token": token}, is_operators=delivery.is_operators
            )
        except FetchError as error:
            return f"unreachable ({error.code})", False
        if answer.status in (200, 204):
            return TOLD, True
        # 400 may mean that clocks differ, or that the client failed (section 2.8); not for long.
        is_refused = answer.status == 400 and delivery.tries >= _MAX_REFUSALS
        return f"status {answer.status}", is_refused

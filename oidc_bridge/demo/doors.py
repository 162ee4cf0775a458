"""The ways in that the demo shows, beside the one by its own app."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oidc_bridge.demo.places import Places


@dataclass(frozen=True, slots=True)
class Door:
    """A way in: where it begins, and what there is to see in a sentence."""

    url: str
    title: str
    note: str


def doors_of(places: Places) -> Sequence[Door]:
    """Return the ways that the first page links to."""
    return (
        Door(
            f"{places.app}/matrix",
            "A Matrix app",
            "Signs in at a homeserver: by passwords that the bridge made, and by single sign-on"
            " where a real Synapse runs.",
        ),
        Door(
            places.chat,
            "A chat like OI Chat",
            "Proves who you are by the key that your wallet made for it. No page of the bridge’s.",
        ),
        Door(
            f"{places.app}/matrix/eos",
            "An account of EOS",
            "Signs one sentence, which goes to the homeserver in a password’s place."
            " The bridge’s sign-in page takes it too.",
        ),
        Door(
            f"{places.bridge}/account/passwords",
            "An app password",
            "Made on your account page, for Matrix apps that cannot open a browser."
            " Type it in the Matrix app.",
        ),
        Door(
            f"{places.bridge}/account/one-time",
            "A one-time password",
            "Made there too, and typed there too. It works once, within five minutes.",
        ),
        Door(
            f"{places.app}/matrix/widget",
            "Your account in a Matrix app",
            "The account page as a widget: a Matrix app shows it in a frame and says who you are.",
        ),
    )


def password_links(places: Places) -> Mapping[str, str]:
    """Return where people get what they can type as a password; see `matrix.Chat`."""
    return {
        "app_password": f"{places.bridge}/account/passwords",
        "one_time": f"{places.bridge}/account/one-time",
        "eos": f"{places.app}/matrix/eos",
        "widget": f"{places.app}/matrix/widget",
        "home": places.app,
    }

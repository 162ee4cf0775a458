"""From a sign-in page to a session: wallets, chat apps and chains prove who somebody is."""

from oidc_bridge.web.signin import (
    answers,
    chain_accounts,
    chat_answers,
    chat_apps,
    elsewhere,
    handover,
    joining,
    naming,
    page,
    personas,
)

VIEWS = tuple(
    part.views
    for part in (
        answers,
        chain_accounts,
        chat_answers,
        chat_apps,
        elsewhere,
        handover,
        joining,
        naming,
        page,
        personas,
    )
)

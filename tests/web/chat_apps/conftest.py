"""A sign-in page of a bridge whose web is the vectors'."""

from collections.abc import Iterator

import pytest

from oidc_bridge.config import Settings
from tests.conftest import Clock
from tests.web.chat_apps.page import Page
from tests.web.test_oichat import clock, made

__all__ = ["clock"]


@pytest.fixture
def page(settings: Settings, clock: Clock) -> Iterator[Page]:
    with made(settings, clock) as world:
        yield Page(world)

"""What it means that a refresh token comes a second time."""

from datetime import UTC, datetime, timedelta

import pytest

from oidc_bridge.oidc.rotation import judge_reuse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def judge(after: float, *, grace: float = 30, again: float | None = None, unused: bool = True):
    """Judge a token that was spent at NOW, and made good *again* seconds later."""
    return judge_reuse(
        spent_at=NOW,
        answered_again_at=None if again is None else NOW + timedelta(seconds=again),
        is_successor_unused=unused,
        grace=timedelta(seconds=grace),
        now=NOW + timedelta(seconds=after),
    )


@pytest.mark.parametrize(
    ("after", "meaning"),
    [
        (0, "twin"),
        (4.999, "twin"),
        (5, "lost answer"),
        (29.999, "lost answer"),
        (30, "theft"),
        (86_400, "theft"),
    ],
)
def test_r1_what_it_means_depends_on_when(after, meaning):
    assert judge(after) == meaning


@pytest.mark.parametrize("after", [0, 4, 10, 29, 31])
def test_r1_an_older_generation_is_always_stolen(after):
    assert judge(after, unused=False) == "theft"


@pytest.mark.parametrize(
    ("after", "meaning"), [(10, "twin"), (14.999, "twin"), (15, "theft"), (29, "theft")]
)
def test_r1_an_answer_is_lost_only_once(after, meaning):
    assert judge(after, again=10) == meaning


@pytest.mark.parametrize("after", [0, 1, 10, 31])
def test_without_grace_every_reuse_is_theft(after):
    assert judge(after, grace=0) == "theft"


@pytest.mark.parametrize(("after", "meaning"), [(0, "twin"), (2, "twin"), (3, "theft")])
def test_a_grace_that_is_shorter_than_a_moment_lets_only_twins_live(after, meaning):
    assert judge(after, grace=3) == meaning

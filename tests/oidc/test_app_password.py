"""An app password's form, how it may be typed, and when it ends by itself."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from oidc_bridge.errors import SentError
from oidc_bridge.oidc.app_password import (
    APP_PASSWORD,
    CHOICES,
    UNUSED_LIFE,
    AppPassword,
    check_app_password,
    choose_scopes,
    make_app_password,
    read_app_password,
)
from tests.fakes import NOW

SPELLED = "abp_" + "abcdefgh234567zy" * 2
KNOWN = AppPassword(
    id="one",
    label="calendar",
    scopes=("openid",),
    created_at=NOW,
    ends_at=None,
    last_used_at=None,
    last_used_from="",
    last_used_for="",
    ended_at=None,
)
A_MOMENT = timedelta(microseconds=1)


def test_it_is_160_bits_in_groups_of_four():
    made = make_app_password()

    assert re.fullmatch(r"abp_([a-z2-7]{4}-){7}[a-z2-7]{4}", made)
    assert read_app_password(made) == made.replace("-", "")


def test_no_two_are_the_same():
    assert len({make_app_password() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "typed",
    [
        SPELLED,
        SPELLED.upper(),
        " ".join(SPELLED),
        "-".join(SPELLED),
        f"  {SPELLED}\r\n",
        f"abp_ {SPELLED[4:12]} -- {SPELLED[12:]}\t",
        f"ABP_{SPELLED[4:20]}\N{NO-BREAK SPACE}{SPELLED[20:]}",
    ],
)
def test_dashes_spaces_and_case_make_no_difference(typed):
    assert read_app_password(typed) == SPELLED


@pytest.mark.parametrize(
    "typed",
    {
        "nothing": "",
        "the prefix alone": "abp_",
        "one sign short": SPELLED[:-1],
        "one sign more": SPELLED + "a",
        "no prefix": SPELLED[4:],
        "another prefix": "abq_" + SPELLED[4:],
        "another's prefix": "ghp_" + SPELLED[4:],
        "the prefix twice": "abp_" + SPELLED,
        "no underscore": "abp" + SPELLED[4:],
        "a digit that is none of ours": SPELLED[:-1] + "1",
        "another one": SPELLED[:-1] + "8",
        "an underscore more": SPELLED[:-1] + "_",
        "a Kelvin sign for a k": SPELLED[:-1] + "\N{KELVIN SIGN}",
        "a long s": SPELLED[:-1] + "\N{LATIN SMALL LETTER LONG S}",
        "a full-width letter": SPELLED[:-1] + "\N{FULLWIDTH LATIN SMALL LETTER A}",
        "a NUL": SPELLED + "\0",
        "a bar": SPELLED[:20] + "|" + SPELLED[20:],
        "10 kB": SPELLED + " " * 10_000,
        "10 kB of letters": "abp_" + "a" * 10_000,
    }.items(),
    ids=lambda case: case[0],
)
def test_anything_else_is_refused(typed):
    with pytest.raises(SentError) as refused:
        read_app_password(typed[1])

    assert refused.value.code == "invalid_grant"
    assert typed[1] == "" or typed[1] not in str(refused.value)


ENDS = {
    "by hand": (replace(KNOWN, ended_at=NOW + timedelta(hours=1)), timedelta(hours=1), "ended"),
    "by its date": (replace(KNOWN, ends_at=NOW + timedelta(days=3)), timedelta(days=3), "date"),
    "never used": (KNOWN, UNUSED_LIFE, "unused"),
    "not used since": (
        replace(KNOWN, last_used_at=NOW + timedelta(days=100)),
        timedelta(days=280),
        "unused",
    ),
    "unused before its date": (
        replace(KNOWN, ends_at=NOW + timedelta(days=400)),
        timedelta(days=180),
        "unused",
    ),
    "by hand, long before the rest": (
        replace(KNOWN, ends_at=NOW + timedelta(days=5), ended_at=NOW),
        timedelta(0),
        "ended",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_it_works_until_the_first_of_its_ends(case):
    known, after, why = ENDS[case]
    end = NOW + after

    check_app_password(known, now=end - A_MOMENT)
    assert known.why_over(end - A_MOMENT) == ""
    with pytest.raises(SentError) as refused:
        check_app_password(known, now=end)

    assert refused.value.code == "invalid_grant"
    assert known.why_over(end) == why


def test_thirty_days_before_it_is_forgotten_there_is_a_warning():
    begins = NOW + timedelta(days=150)

    assert not KNOWN.is_forgotten(begins - A_MOMENT)
    assert KNOWN.is_forgotten(begins)
    assert KNOWN.is_forgotten(NOW + UNUSED_LIFE - A_MOMENT)
    assert not KNOWN.is_forgotten(NOW + UNUSED_LIFE)


def test_of_one_that_ends_by_its_date_nobody_is_warned():
    known = replace(KNOWN, ends_at=NOW + timedelta(days=170))

    assert not known.is_forgotten(NOW + timedelta(days=160))


@pytest.mark.parametrize(
    ("ticked", "granted"),
    [
        ([], ()),
        (["openid"], ("openid",)),
        (["matrix:login"], ("matrix:login",)),
        (["email"], ("openid", "email")),
        (["matrix:login", "profile"], ("openid", "profile", "matrix:login")),
        (["offline_access"], ()),
        (["openid", "openid", "admin", "claim:email"], ("openid",)),
    ],
)
def test_what_is_ticked_is_what_is_granted_and_what_it_needs(ticked, granted):
    assert choose_scopes(ticked) == granted


def test_the_client_has_no_way_but_its_own():
    assert APP_PASSWORD.is_public
    assert APP_PASSWORD.redirect_uris == ()
    assert APP_PASSWORD.metadata.grant_types == ("refresh_token",)
    assert "offline_access" not in CHOICES
    assert "matrix:login" not in APP_PASSWORD.scopes

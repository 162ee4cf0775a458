"""What a client's addresses answer, and what is said of it."""

from dataclasses import replace

import pytest

from oidc_bridge.checkup import Finding, check_addresses
from oidc_bridge.errors import FetchError, RedirectError
from oidc_bridge.oidc.client import Client
from tests.driver import HOMESERVER, WIKI
from tests.fakes import FakeFetch

BASE = "https://matrix.example"
VERSIONS = f"{BASE}/_matrix/client/versions"
CALLBACK, BACKCHANNEL = HOMESERVER.redirect_uris[0], HOMESERVER.backchannel_logout_uri or ""
MAS_BASE = "https://account.example"
MAS_ID = "01HFVBY12TMNTYTBV8W921M5FA"
MAS = replace(
    HOMESERVER,
    redirect_uris=(f"{MAS_BASE}/upstream/callback/{MAS_ID}",),
    backchannel_logout_uri=f"{MAS_BASE}/upstream/backchannel-logout/{MAS_ID}",
)
DISCOVERY = f"{MAS_BASE}/.well-known/openid-configuration"

# As a real Synapse answers, see tests/live/test_sign_in.py.
SYNAPSE = {VERSIONS: (200, {"versions": ["v1.11"]}), CALLBACK: (400, "x"), BACKCHANNEL: (405, {})}
MAS_ANSWERS = {
    DISCOVERY: (200, {"issuer": f"{MAS_BASE}/"}),
    MAS.redirect_uris[0]: (400, "x"),
    MAS.backchannel_logout_uri: (405, ""),
}

Answers = dict[str, tuple[int, object] | FetchError]


def found(client: Client, answers: Answers) -> dict[str, Finding]:
    findings = check_addresses(client, fetch=FakeFetch(dict(answers)))
    return {one.uri: one for one in findings}


@pytest.mark.parametrize(("client", "answers"), [(HOMESERVER, SYNAPSE), (MAS, MAS_ANSWERS)])
def test_a_server_that_is_set_up_is_good(client, answers):
    findings = found(client, answers)

    assert list(findings) == list(answers)
    assert {one.verdict for one in findings.values()} == {"good"}


@pytest.mark.parametrize(
    ("client", "answers", "name"), [(HOMESERVER, SYNAPSE, "Synapse"), (MAS, MAS_ANSWERS, "MAS")]
)
def test_before_it_has_loaded_the_yaml_that_is_said(client, answers, name):
    base, *doors = answers

    findings = found(client, {base: answers[base]})

    assert findings[base].verdict == "good"
    for uri in doors:
        assert findings[uri].verdict == "bad"
        assert f"until {name} has loaded its YAML" in findings[uri].says


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>Welcome</html>"),
        (200, b"\xff"),
        (200, "[" * 60_000),
        (200, ["versions"]),
        (200, {"versions": "v1"}),
        (200, {}),
        (200, "x" * 70_000),
        (404, {"versions": []}),
        (502, "Bad gateway"),
        RedirectError("fetch_blocked", "redirect, status 301"),
    ],
)
def test_what_is_no_synapse_is_not_taken_for_one(answer):
    finding = found(HOMESERVER, {**SYNAPSE, VERSIONS: answer})[VERSIONS]

    assert finding.verdict == "bad"
    assert "Synapse" in finding.says


@pytest.mark.parametrize("uri", [CALLBACK, BACKCHANNEL])
@pytest.mark.parametrize(
    "answer", [(200, "Welcome"), (503, ""), RedirectError("fetch_blocked", "redirect, status 302")]
)
def test_a_door_that_does_not_refuse_is_not_synapses(uri, answer):
    findings = found(HOMESERVER, {**SYNAPSE, uri: answer})

    assert [one.uri for one in findings.values() if one.verdict == "bad"] == [uri]


def test_that_nobody_answers_is_said():
    finding = found(HOMESERVER, {VERSIONS: FetchError("fetch_failed", "ConnectionError")})[VERSIONS]

    assert (finding.verdict, finding.says) == ("bad", "Nobody answers (ConnectionError).")


def test_that_the_guard_forbids_it_is_said_and_is_no_fault():
    blocked = FetchError("fetch_blocked", "10.0.0.1 is no public address")

    finding = found(HOMESERVER, {VERSIONS: blocked})[VERSIONS]

    assert finding.verdict == "unasked"
    assert "10.0.0.1 is no public address" in finding.says
    assert "allow_private" in finding.says


@pytest.mark.parametrize(
    "answer",
    [
        (200, "Welcome"),
        (404, ""),
        (401, ""),
        (200, "x" * 70_000),
        RedirectError("fetch_blocked", "redirect, status 302"),
    ],
)
def test_of_another_client_whoever_answers_at_its_origin_is_good(answer):
    client = replace(WIKI, backchannel_logout_uri="https://back.example/logout")
    answers = {"https://wiki.example/": answer, "https://back.example/": answer}

    findings = found(client, answers)

    assert {uri: one.verdict for uri, one in findings.items()} == dict.fromkeys(answers, "good")


def test_an_error_of_its_own_is_not_good():
    finding = found(WIKI, {"https://wiki.example/": (500, "")})["https://wiki.example/"]

    assert finding.verdict == "bad"


def test_an_app_on_a_device_is_not_asked_and_an_origin_once():
    uris = ("org.wiki.app:/callback", "https://wiki.example/a", "https://wiki.example/b")
    fetch = FakeFetch()

    findings = check_addresses(replace(WIKI, redirect_uris=uris), fetch=fetch)

    assert fetch.calls == ["https://wiki.example/"]
    assert [one.verdict for one in findings] == ["unasked", "good"]


def test_of_very_many_addresses_ten_are_asked():
    uris = tuple(f"https://w{n}.example/" for n in range(50))
    fetch = FakeFetch()

    findings = check_addresses(replace(WIKI, redirect_uris=uris), fetch=fetch)

    assert len(fetch.calls) == 10
    assert [one.verdict for one in findings] == ["good"] * 10 + ["unasked"] * 40

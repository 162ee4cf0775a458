"""Scripts of other origins: what programs speak to is open to them, no page ever is."""

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.driver import ISSUER, Person

APP = "https://spa.example"
MANAGER = "/_matrix/integrations/v1/account"
SPOKEN_TO = (
    *("/token", "/userinfo", "/introspect", "/revoke", "/par", "/register", "/register/x"),
    *(MANAGER, f"{MANAGER}/register", f"{MANAGER}/logout"),
)
DOCUMENTS = (
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/jwks",
    "/manifest.json",
)


def opens(answer: TestResponse) -> bool:
    """Whether a script of another origin may read *answer*."""
    return "Access-Control-Allow-Origin" in answer.headers


def preflight(app: Flask, path: str, *, method: str = "POST", headers: str = "") -> TestResponse:
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    return app.test_client().options(path, base_url=ISSUER, headers=asked)


def words(answer: TestResponse, name: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers[name].split(",")}


@pytest.mark.parametrize("path", SPOKEN_TO)
def test_a_preflight_lets_an_app_authenticate_and_prove_its_key(app: Flask, path: str) -> None:
    answer = preflight(app, path, headers="authorization,content-type,dpop")

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert words(answer, "Access-Control-Allow-Headers") == {
        "authorization",
        "content-type",
        "dpop",
    }
    assert words(answer, "Access-Control-Allow-Methods") >= {"get", "post"}
    assert answer.headers["Access-Control-Max-Age"] == "3600"


@pytest.mark.parametrize("path", SPOKEN_TO)
def test_an_app_may_read_why_it_was_refused(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, base_url=ISSUER, headers={"Origin": APP})

    assert answer.status_code >= 400
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert words(answer, "Access-Control-Expose-Headers") == {"www-authenticate"}


@pytest.mark.parametrize("path", [*SPOKEN_TO, *DOCUMENTS])
def test_no_answer_may_be_read_on_the_strength_of_a_cookie(
    app: Flask, ann: Person, path: str
) -> None:
    """With ``*`` a browser shows no script what it asked for with cookies."""
    ann.tokens()
    answer = ann.get(path)

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Access-Control-Allow-Credentials" not in preflight(app, path).headers


def test_a_cookie_alone_opens_no_endpoint(ann: Person) -> None:
    ann.tokens()

    assert [ann.get("/account").status_code, ann.get("/userinfo").status_code] == [200, 401]


def test_nothing_else_is_open(app: Flask, ann: Person) -> None:
    sign_in = ann.authorize().location
    ann.tokens()
    paths = {rule.rule.replace("<id:client_id>", "x") for rule in app.url_map.iter_rules()}
    paths = {path for path in paths if "<" not in path} | {sign_in, "/nothing-here"}

    opened = {path for path in paths if opens(ann.get(path)) or opens(preflight(app, path))}

    assert opened == {*SPOKEN_TO, *DOCUMENTS}

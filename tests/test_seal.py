"""Secrets at rest: what is closed opens again, for the same key and purpose only."""

import hashlib
import re

import pytest

from oidc_bridge.errors import ConfigError
from oidc_bridge.seal import Seal, digest_of, new_secret

KEY = bytes(range(32))
SECRET = b"a private key in PEM"


@pytest.fixture
def seal():
    return Seal(KEY)


@pytest.mark.parametrize("secret", [b"", b"\0", SECRET, bytes(range(256)) * 40])
def test_what_was_closed_opens_again(seal, secret):
    sealed = seal.close(secret, purpose="signing-key")

    assert seal.open(sealed, purpose="signing-key") == secret


def test_another_process_with_the_same_key_opens_it(seal):
    sealed = seal.close(SECRET, purpose="signing-key")

    assert Seal(bytes(range(32))).open(sealed, purpose="signing-key") == SECRET


def test_what_is_closed_shows_nothing_of_the_secret(seal):
    sealed = seal.close(SECRET, purpose="signing-key")

    assert SECRET not in sealed
    assert len(sealed) == 12 + len(SECRET) + 16


def test_closing_twice_never_gives_the_same_bytes(seal):
    closed = {seal.close(SECRET, purpose="signing-key") for _ in range(50)}

    assert len(closed) == 50
    assert len({sealed[:12] for sealed in closed}) == 50


def test_it_does_not_open_for_another_purpose(seal):
    sealed = seal.close(SECRET, purpose="signing-key")

    with pytest.raises(ConfigError) as caught:
        seal.open(sealed, purpose="challenge")

    assert caught.value.code == "seal_broken"


def test_it_does_not_open_with_another_key(seal):
    sealed = seal.close(SECRET, purpose="signing-key")

    with pytest.raises(ConfigError) as caught:
        Seal(bytes(32)).open(sealed, purpose="signing-key")

    assert caught.value.code == "seal_broken"
    assert "key file" in caught.value.detail


def test_a_changed_byte_anywhere_breaks_it(seal):
    sealed = seal.close(b"ab", purpose="signing-key")

    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(ConfigError) as caught:
            seal.open(bytes(changed), purpose="signing-key")
        assert caught.value.code == "seal_broken"


@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 27])
def test_what_was_cut_off_is_broken(seal, length):
    sealed = seal.close(SECRET, purpose="signing-key")

    with pytest.raises(ConfigError) as caught:
        seal.open(sealed[:length], purpose="signing-key")

    assert caught.value.code == "seal_broken"


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length):
    with pytest.raises(ConfigError) as caught:
        Seal(bytes(length))

    assert caught.value.code == "key_malformed"


def test_a_seal_does_not_print_its_key():
    assert repr(Seal(KEY)) == "Seal()"


def test_a_digest_depends_on_text_key_and_purpose(seal):
    digests = {
        seal.digest("text", purpose="sid"),
        seal.digest("text.", purpose="sid"),
        seal.digest("text", purpose="form"),
        Seal(bytes(32)).digest("text", purpose="sid"),
    }

    assert len(digests) == 4
    assert seal.digest("text", purpose="sid") in digests


def test_purpose_and_text_cannot_run_into_each_other(seal):
    assert seal.digest("b:text", purpose="a") != seal.digest("text", purpose="a:b")
    assert seal.digest("text", purpose="ab") != seal.digest("btext", purpose="a")


def test_a_new_secret_is_256_random_bits_in_url_safe_letters():
    made = {new_secret() for _ in range(50)}

    assert len(made) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in made)


def test_what_is_kept_of_a_secret_is_its_sha256():
    assert digest_of("abc") == hashlib.sha256(b"abc").hexdigest()
    # FIPS 180-2, appendix B.1
    assert digest_of("abc").startswith("ba7816bf8f01cfea414140de5dae2223")

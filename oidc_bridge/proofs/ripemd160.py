"""RIPEMD-160, for the one place where Python may lack it.

An address is RIPEMD-160 over SHA-256, and OpenSSL 3.0.0 to 3.0.6 (Ubuntu 22.04) and FIPS builds
do not offer it, so ``hashlib.new("ripemd160")`` may raise there. No package that we depend on has
it either. `digest` asks OpenSSL and falls back on the code below, which the tests hold against
the published vectors and against OpenSSL.

It hashes public data only, so it need not run in constant time.

Spec: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: A Strengthened Version of RIPEMD" (1996).
"""

import hashlib
import struct


def digest(data: bytes) -> bytes:
    """Return the RIPEMD-160 of *data*, 20 bytes."""
    try:
        return hashlib.new("ripemd160", data, usedforsecurity=False).digest()
    except ValueError:
        return digest_in_python(data)


def digest_in_python(data: bytes) -> bytes:
    """Return what `digest` returns, without OpenSSL."""
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data))
    state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
    for start in range(0, len(padded), 64):
        state = _compress(state, struct.unpack_from("<16I", padded, start))
    return struct.pack("<5I", *state)


_State = tuple[int, int, int, int, int]


def _table(digits: str) -> tuple[int, ...]:
    return tuple(int(digit, 16) for digit in digits.replace(" ", ""))


# Order of the words, size of the rotations and constants: left line, right line.
_WORDS_LEFT = _table(
    "0123456789abcdef 74d1a6f3c0952eb8 3ae49f812706db5c 19ba08c4d37fe562 40597c2ae138b6fd"
)
_WORDS_RIGHT = _table(
    "5e7092b4d6f81a3c 6b370d5aef8c4912 f5137e69b8c2a04d 86413bf05c2d97ae cfa4158762de039b"
)
_TURNS_LEFT = _table(
    "befc5879bdef6798 768db97f7cf9b7dc bd67e9dfe8d65c75 bcefef989e56865c 9f5b68dc5cdeb856"
)
_TURNS_RIGHT = _table(
    "899bdff5778beec6 9df7c89b77c76fdb 97fb866ecd5edd75 f58bee6e69c9c5f8 85c9c5e68d65fdbb"
)
_ADDED_LEFT = (0x00000000, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_ADDED_RIGHT = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0x00000000)


def _rotate(word: int, by: int) -> int:
    word &= 0xFFFFFFFF
    return (word << by | word >> (32 - by)) & 0xFFFFFFFF


def _mix(x: int, y: int, z: int, mixer: int) -> int:
    match mixer:
        case 0:
            return x ^ y ^ z
        case 1:
            return (x & y) | (~x & z)
        case 2:
            return (x | ~y) ^ z
        case 3:
            return (x & z) | (y & ~z)
        case _:
            return x ^ (y | ~z)


def _step(line: _State, word: int, mixer: int, added: int, turn: int) -> _State:
    a, b, c, d, e = line
    return e, _rotate(a + _mix(b, c, d, mixer) + word + added, turn) + e, b, _rotate(c, 10), d


def _compress(state: _State, block: tuple[int, ...]) -> _State:
    left = right = state
    for i in range(80):
        turn = i // 16
        left = _step(left, block[_WORDS_LEFT[i]], turn, _ADDED_LEFT[turn], _TURNS_LEFT[i])
        right = _step(right, block[_WORDS_RIGHT[i]], 4 - turn, _ADDED_RIGHT[turn], _TURNS_RIGHT[i])
    mixed = (state[(i + 1) % 5] + left[(i + 2) % 5] + right[(i + 3) % 5] for i in range(5))
    a, b, c, d, e = (word & 0xFFFFFFFF for word in mixed)
    return a, b, c, d, e

"""Bytes in digits that people can copy: one number in a large base, as Base58 and c32 write it."""

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
C32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def write_digits(data: bytes, alphabet: str) -> str:
    """Return *data* as a number in the alphabet's base, one zero digit per leading zero byte."""
    number, base = int.from_bytes(data, "big"), len(alphabet)
    digits = []
    while number:
        number, digit = divmod(number, base)
        digits.append(alphabet[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return alphabet[0] * zeros + "".join(reversed(digits))


def read_digits(text: str, alphabet: str, *, longest: int) -> bytes:
    """Undo `write_digits`. Every text has exactly one reading, and every reading one text.

    Args:
        longest: How many characters are read; it takes quadratic time.

    Raises:
        ValueError: it is longer, or has a character that is no digit.
    """
    if len(text) > longest:
        raise ValueError(f"{len(text)} characters")
    number = 0
    for character in text:
        digit = alphabet.find(character)
        if digit < 0:
            raise ValueError(f"character {character!a}")
        number = number * len(alphabet) + digit
    zeros = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")

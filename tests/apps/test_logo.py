"""Logos are drawn anew: small, plain, and nothing of the file in them but its colours (D6)."""

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from oidc_bridge.apps.logo import MAX_FILE, SIDE, redraw
from oidc_bridge.errors import BridgeError
from tests.manifests import a_picture

FORMS = ("PNG", "JPEG", "WEBP", "GIF")


def refused(file: bytes) -> str:
    with pytest.raises(BridgeError) as caught:
        redraw(file)
    return caught.value.code


def seen(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png))


@pytest.mark.parametrize("form", FORMS)
def test_d6_a_picture_becomes_a_small_png(form):
    drawn = seen(redraw(a_picture(600, 300, form=form)))

    assert (drawn.format, drawn.size, drawn.mode) == ("PNG", (SIDE, SIDE // 2), "RGBA")
    red, green, blue, opacity = drawn.getpixel((10, 10))
    assert red > 240 and max(green, blue) < 15 and opacity == 255


def test_a_small_picture_keeps_its_size():
    assert seen(redraw(a_picture(16, 8))).size == (16, 8)


def test_of_a_moving_picture_it_is_the_first_frame():
    written = BytesIO()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:])

    drawn = seen(redraw(written.getvalue()))

    assert getattr(drawn, "n_frames", 1) == 1
    assert drawn.getpixel((5, 5)) == (255, 0, 0, 255)


def test_d6_nothing_of_the_file_is_kept_but_its_colours():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "<script>alert(1)</script>")
    file = a_picture(pnginfo=texts, icc_profile=b"secret profile") + b"<script>"

    drawn = redraw(file)

    kinds, place = [], 8
    while place < len(drawn):
        length, kind = struct.unpack(">I4s", drawn[place : place + 8])
        kinds.append(kind)
        place += length + 12
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}
    assert b"script" not in drawn


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"GIF89a",
        b"BM" + bytes(100),
        a_picture(form="BMP"),
        a_picture(form="TIFF"),
        a_picture(form="ICO"),
        a_picture()[:60],
        a_picture(form="JPEG")[:300],
    ],
)
def test_d6_what_is_no_raster_picture_is_refused(file):
    assert refused(file) == "logo_unreadable"


def a_bomb(width: int, height: int) -> bytes:
    """Return a PNG of some bytes that says it is large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


@pytest.mark.parametrize("size", [(2049, 2048), (4_194_305, 1), (9000, 9000)])
def test_a_picture_that_would_unfold_is_refused_before_it_does(size):
    assert refused(a_bomb(*size)) == "logo_too_large"


@pytest.mark.parametrize("size", [(20_000, 20_000), (100_000, 100_000)])
def test_pillows_own_guard_is_an_answer_too(size):
    assert refused(a_bomb(*size)) == "logo_unreadable"


def test_a_file_that_is_too_large_is_not_opened():
    assert refused(a_picture() + bytes(MAX_FILE)) == "logo_too_large"


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=300, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    cuts=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=6)), min_size=1, max_size=6),
)
def test_w16_a_damaged_picture_is_drawn_or_refused(form, cuts):
    file = a_picture(20, 20, form=form)
    for place, data in cuts:
        file = file[:place] + data + file[place + len(data) :]

    try:
        assert seen(redraw(file)).format == "PNG"
    except BridgeError as error:
        assert error.code in ("logo_unreadable", "logo_too_large")

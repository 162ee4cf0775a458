"""The QR code on a page, read from what the screen shows."""

import base64

import segno
from playwright.sync_api import Page

_BORDER = 4
# What a screen really shows, so that colours and sizes of the stylesheet count too. A blank page
# reads the picture: the bridge's own pages may not.
_READ_MODULES = """async ([picture, side]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  const drawn = canvas.getContext('2d');
  drawn.drawImage(image, 0, 0);
  const isDark = (row, column) => {
    const [x, y] = [(column + 0.5) / side * image.width, (row + 0.5) / side * image.height];
    const [red, green, blue] = drawn.getImageData(Math.floor(x), Math.floor(y), 1, 1).data;
    return red + green + blue < 384 ? 1 : 0;
  };
  const numbers = [...Array(side).keys()];
  return numbers.map(row => numbers.map(column => isDark(row, column)));
}"""


def modules_of(text: str) -> list[list[int]]:
    """Return the dark (1) and light (0) modules of *text*, with the quiet zone around it."""
    code = segno.make(text, error="m")
    return [[int(dark) for dark in row] for row in code.matrix_iter(border=_BORDER)]


def drawn_on(page: Page) -> list[list[int]]:
    """Return the modules of the page's QR code as they are drawn."""
    side = int(page.locator(".qr svg").get_attribute("viewBox").split()[2])
    picture = base64.b64encode(page.locator(".qr svg").screenshot()).decode()
    drawn: list[list[int]] = page.context.new_page().evaluate(_READ_MODULES, [picture, side])
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        drawn[row][column] = 0  # the box is round: in its corners one sees what is behind it
    return drawn

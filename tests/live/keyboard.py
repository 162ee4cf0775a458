"""A page without a mouse: Tab reaches every control, in reading order, and the focus is seen."""

from collections.abc import Iterator, Mapping
from itertools import islice, pairwise
from typing import Any

from playwright.sync_api import JSHandle, Locator, Page

Stop = Mapping[str, Any]
"""Where the focus is: its ``number`` among the page's controls, its box, and how it is shown."""

# A native field may hold several stops (day, month, year), a page of ours some dozens of fields.
_MOST_STOPS = 400
# Wider pages set cards side by side, and an eye reads each of them as a whole.
_ONE_COLUMN = 416

# Every control that stands on the page, in the order of its text, and what is scrolled by keys. Of
# the choices of one question Tab reaches the chosen one, or the first; arrow keys go to the others.
_CONTROLS = """() => {
  const own = 'a[href], button, input:not([type=hidden]), select, textarea, summary,'
    + '[tabindex="0"]';
  const first = one => {
    const choices = [...document.querySelectorAll('input[type=radio]')]
      .filter(other => other.name === one.name && other.form === one.form);
    return choices.find(other => other.checked) ?? choices[0];
  };
  return [...document.querySelectorAll(own)].filter(one =>
    !one.disabled && one.checkVisibility({ visibilityProperty: true })
    && (one.type !== 'radio' || one === first(one)));
}"""
_FOCUS = """controls => {
  const one = document.activeElement;
  if (!one || one === document.body || one === document.documentElement) return null;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const unseen = style.outlineStyle === 'none' || /^rgba\\(.*, 0\\)$/.test(style.outlineColor);
  return {
    number: controls.indexOf(one),
    html: one.outerHTML.slice(0, 160),
    outline: unseen ? 0 : parseFloat(style.outlineWidth),
    in_view: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight
      && box.right > 0 && box.left < innerWidth,
    left: box.left + scrollX, right: box.right + scrollX,
    top: box.top + scrollY, bottom: box.bottom + scrollY,
  };
}"""


class _TrappedError(Exception):
    """The focus does not come out of the page again."""


def what_keyboards_miss(page: Page) -> list[str]:
    """Return what is wrong for somebody who walks through a page by Tab, and back again."""
    controls = page.evaluate_handle(_CONTROLS)
    count = page.evaluate("controls => controls.length", controls)
    try:
        list(_stops(page, controls, "Tab"))  # out of the page, so that the next walk is a whole one
        stops = list(_stops(page, controls, "Tab"))
        back = [stop["number"] for stop in islice(_stops(page, controls, "Shift+Tab"), len(stops))]
    except _TrappedError as error:
        return [str(error)]
    order = [stop["number"] for stop in stops]
    page.evaluate("document.activeElement.blur()")
    faults = []
    if order != list(range(count)):
        faults.append(f"Tab goes {order} through {count} controls: {[s['html'] for s in stops]}")
    if back != order[::-1]:
        faults.append(f"Shift+Tab goes {back}, Tab goes {order}")
    faults += [
        f"one does not see the focus on {stop['html']}"
        for stop in stops
        if stop["outline"] < 2 or not stop["in_view"]
    ]
    if page.evaluate("innerWidth") <= _ONE_COLUMN:
        faults += [
            f"{after['html']} stands before {before['html']}"
            for before, after in pairwise(stops)
            if _stands_before(after, before)
        ]
    return faults


def tab_to(control: Locator) -> None:
    """Press Tab until *control* has the focus."""
    page = control.page
    control.wait_for()
    for _ in range(_MOST_STOPS):
        if control.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {control}")


def press(control: Locator, key: str = "Enter") -> None:
    """Go to *control* by Tab, and press a key there."""
    tab_to(control)
    control.page.keyboard.press(key)


def _stops(page: Page, controls: JSHandle, key: str) -> Iterator[Stop]:
    """Press *key* until the focus leaves the page; give each control that it stops at, once."""
    last = None
    for _ in range(_MOST_STOPS):
        page.keyboard.press(key)
        stop = page.evaluate(_FOCUS, controls)
        if stop is None:
            return
        if stop["number"] != last:
            last = stop["number"]
            yield stop
    raise _TrappedError(f"{key} does not lead out of the page")


def _stands_before(one: Stop, other: Stop) -> bool:
    """Whether an eye comes to *one* before it comes to *other*."""
    if one["bottom"] <= other["top"] or other["bottom"] <= one["top"]:
        return bool(one["bottom"] <= other["top"])
    return bool(one["right"] <= other["left"])

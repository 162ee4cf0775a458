"""A page without a mouse: Tab reaches every control, in reading order, and the focus is seen."""

from collections.abc import Mapping
from itertools import groupby, pairwise
from typing import Any

from playwright.sync_api import JSHandle, Locator, Page

Stop = Mapping[str, Any]
"""Where the focus is: its ``number`` among the page's controls, its box, and how it is shown."""

# Of a page of ours, and of one native field (day, month, year).
_MOST_STOPS, _MOST_PARTS = 400, 8
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
# Where the focus is each time that Tab is pressed, before it goes on; `null`: it left the page.
_WATCH = """controls => {
  const shown = one => {
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
  };
  const seen = [], listening = new AbortController();
  const listen = (kind, listener) =>
    addEventListener(kind, listener, { capture: true, signal: listening.signal });
  listen('keydown', event => {
    const one = document.activeElement;
    if (event.key === 'Tab' && one && one !== document.body) seen.push(shown(one));
  });
  listen('focusout', event => { if (!event.relatedTarget) seen.push(null); });
  return { controls, seen, listening };
}"""
_BEGIN = """([watch, number]) => {
  if (number !== null) watch.controls.at(number)?.focus();
  watch.seen.length = 0;
  return watch.controls.length;
}"""
# A page where nothing has the focus is left.
_SEEN = """watch =>
  document.activeElement === document.body ? [...watch.seen, null] : watch.seen"""


class _TrappedError(Exception):
    """The focus does not come out of the page again."""


def what_keyboards_miss(page: Page) -> list[str]:
    """Return what is wrong for somebody who walks through a page by Tab, and back again."""
    controls = page.evaluate_handle(_CONTROLS)
    count = page.evaluate("controls => controls.length", controls)
    watch = page.evaluate_handle(_WATCH, controls)
    try:
        # Out of the page, so that the next walk is a whole one.
        _walk(page, watch, "Tab", begin=count - 1)
        stops = _walk(page, watch, "Tab", at_least=count)
        last = stops[-1]["number"] if stops else 0
        walk_back = _walk(page, watch, "Shift+Tab", begin=last, at_least=count)
        back = [stop["number"] for stop in walk_back]
    except _TrappedError as error:
        return [str(error)]
    finally:
        page.evaluate("watch => watch.listening.abort()", watch)
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


def _walk(
    page: Page, watch: JSHandle, key: str, *, begin: int | None = None, at_least: int = 0
) -> list[Stop]:
    """Press *key* until the focus leaves the page; return each control where that stops, once.

    Each question to the page costs as much as a key: none is asked before *at_least* of them.

    Args:
        begin: Number of the control that has the focus first; None: go in from outside. What is
            left may have the focus again by itself, at its beginning: browsers without a window
            have nothing else to give it to.
    """
    count = page.evaluate(_BEGIN, [watch, begin])
    for pressed in range(1, _MOST_PARTS * (count + 1)):
        page.keyboard.press(key)
        if pressed < at_least:
            continue
        seen = page.evaluate(_SEEN, watch)
        if None in seen:
            return [next(same) for _, same in groupby(seen[: seen.index(None)], _number_of)]
    raise _TrappedError(f"{key} does not lead out of the page")


def _number_of(stop: Stop) -> int:
    return int(stop["number"])


def _stands_before(one: Stop, other: Stop) -> bool:
    """Whether an eye comes to *one* before it comes to *other*."""
    if one["bottom"] <= other["top"] or other["bottom"] <= one["top"]:
        return bool(one["bottom"] <= other["top"])
    return bool(one["right"] <= other["left"])

"""A person's hands at the program's window: the X server's own pointer and keyboard, so that everything between them and
the page takes part. Where things are, and what has the focus, the page is asked.
"""

import re
import subprocess
import time

from world import until

FIND = """
const [selector, text] = arguments
const fits = (one) => one.getClientRects().length > 0 && !one.closest('[hidden]')
  && ((one.getAttribute('aria-label') ?? '') + ' ' + (one.textContent ?? '')).includes(text)
const found = [...document.querySelectorAll(selector)].find(fits)
"""

PLACE = FIND + """
if (!found) return null
found.scrollIntoView({ block: 'center', behavior: 'instant' })
const box = found.getBoundingClientRect()
const [x, y] = [box.left + box.width / 2, box.top + box.height / 2]
const there = document.elementFromPoint(x, y)
return { x, y, width: box.width, height: box.height, seen: there !== null && (found.contains(there) || there.contains(found)) }
"""

FOCUSED = FIND + "return found !== undefined && found === document.activeElement"

COUNT = """
window.pressed = window.clicked = 0
addEventListener('pointerdown', () => { window.clicked += 1 }, true)
const modifiers = ['Shift', 'Control', 'Alt', 'Meta']
addEventListener('keydown', (event) => { window.pressed += modifiers.includes(event.key) ? 0 : 1 }, true)
"""

NAME = """
const one = document.activeElement
return one === null || one === document.body ? 'nothing' : `${one.tagName} ${one.getAttribute('aria-label') ?? one.textContent?.trim().slice(0, 60)}`
"""


class Hands:
    """The pointer and the keyboard, in a `webdriver.Window` that is in front."""

    def __init__(self, window, number):
        self.window = window
        xdotool("windowactivate", "--sync", number)
        window.script(COUNT)
        # xdotool's own answer counts the frame twice under some window managers.
        told = subprocess.run(["xwininfo", "-id", number], capture_output=True, text=True, check=True).stdout
        self.corner = tuple(int(one) for one in re.findall(r"Absolute upper-left [XY]:\s*(-?\d+)", told))

    # ---- the mouse ----

    def place(self, selector, text=""):
        """The middle of the first element that fits, on the screen, once it is there, at rest, and nothing lies over it."""

        last, since = None, time.monotonic()

        def seen():
            # A page that is still moving is pointed at once it rests.
            nonlocal last, since
            before, last = last, self.window.script(PLACE, selector, text)
            if last != before:
                since = time.monotonic()
            return last if last and last["seen"] and time.monotonic() - since > 0.15 else None

        found = until(f"{selector} with {text!r} can be pointed at", seen, 10)
        return self.corner[0] + round(found["x"]), self.corner[1] + round(found["y"])

    def click(self, selector, text="", times=1):
        """Points at the first element that fits, and clicks."""
        before = self.window.script("return window.clicked")
        for _ in range(3):
            x, y = self.place(selector, text)
            xdotool("mousemove", "--sync", x, y, "click", "--repeat", times, "--delay", 20, 1)
            # What the page never had, because something lay over the window, is done again.
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                if self.window.script("return window.clicked") > before:
                    return
                time.sleep(0.02)
        raise AssertionError(f"no click on {selector!r} with {text!r} reached the page")

    def drag(self, selector, text, onto, onto_text):
        """Takes one element and drops it just below the middle of another."""
        to_x, to_y = self.place(onto, onto_text)
        x, y = self.place(selector, text)
        xdotool("mousemove", "--sync", x, y, "mousedown", 1)
        for step in range(1, 6):
            xdotool("mousemove", "--sync", x + (to_x - x) * step // 5, y + (to_y + 8 - y) * step // 5)
            time.sleep(0.03)
        xdotool("mouseup", 1)

    # ---- the keyboard ----

    def key(self, *keys):
        """Presses keys, one after the other, and waits until the page has had them."""
        self._let_in(len(keys), "key", "--delay", 8, *keys)

    def type(self, text):
        """Types on the keyboard, into whatever has the focus."""
        self._let_in(len(text), "type", "--delay", 25, text)

    def _let_in(self, keys, *command):
        # Keys take their time to the page, and whoever looks at once sees what was before them.
        before = self.window.script("return window.pressed")
        xdotool(*command)
        deadline = time.monotonic() + 30
        while self.window.script("return window.pressed") < before + keys:
            assert time.monotonic() < deadline, f"{command}: not every key reached the page"

    def overwrite(self, text):
        """Types over all that stands in the field with the focus."""
        self.key("ctrl+a")
        self.type(text)
        until(f"{text!r} stands in the field", lambda: self.window.script("return document.activeElement.value") == text)

    def focused(self, selector, text=""):
        """Whether the first element that fits has the focus."""
        return self.window.script(FOCUSED, selector, text)

    def tab_to(self, selector, text="", back=False):
        """Goes on with Tab until an element that fits has the focus, and looks that the focus can be seen."""
        passed = []
        for _ in range(80):
            self.key("shift+Tab" if back else "Tab")
            if self.focused(selector, text):
                assert self.window.script("return document.activeElement.matches(':focus-visible')"), "the focus cannot be seen"
                return
            passed.append(self.window.script(NAME))
        raise AssertionError(f"Tab does not reach {selector!r} with {text!r}; it passed {passed}")


def xdotool(*arguments):
    subprocess.run(["xdotool", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

"""The Settings page in the program's own window, with the real engine and a real file behind it, by the mouse and by the
keyboard. After each step the file's bytes are compared, comments and all, and what was set takes effect.
Run by `scripts/desktop-tests`.
"""

import unittest

from case import Case
from world import screenshot, until

SETTINGS = """\
// Ada's own settings.
{
  listen: "127.0.0.1:0",
  providers: { cloud: { location: "hosted" } }, // only because it is simulated
  keeper: { poll: '250ms' /* quick, for the tests */ },
  notifications: {
    // It comes back every time.
    back: true, unloaded: true,   // both for now
    quiet: null,
  },
}
"""

SWITCH = '[data-setting="notifications.{}"] input'


class Settings(Case):
    def setUp(self):
        super().setUp()
        self.local = self.world.simulator("lmstudio", "--model", "minimax-m2.1-gs32:2", "--loaded", "minimax-m2.1-gs32")
        self.world.configure(self.local, self.world.simulator("openai", "--model", "gpt-5.2"))
        self.file = self.world.home / "settings.json5"
        self.file.write_text(SETTINGS)
        self.open_window()

    def becomes(self, *changes):
        """The file is, within a moment, what it was at first with each (old, new) replaced."""
        expected = SETTINGS
        for old, new in changes:
            self.assertEqual(expected.count(old), 1, old)
            expected = expected.replace(old, new)
        try:
            until("the file is written", lambda: self.file.read_text() == expected, 10)
        except AssertionError:
            self.assertEqual(self.file.read_text(), expected)

    def value(self, selector):
        return self.window.script("return document.querySelector(arguments[0]).value", selector)

    def test_a_kind_is_switched_off_and_a_limit_is_set(self):
        hands = self.hands
        hands.click("nav a", "Settings")
        until("the settings are shown", lambda: "Quiet hours" in self.window.text())
        self.assertTrue(self.window.script("return document.querySelector(arguments[0]).checked", SWITCH.format("unloaded")))

        off = ("unloaded: true", "unloaded: false")
        hands.click(SWITCH.format("unloaded"))
        self.becomes(off)
        screenshot("settings")

        # A limit, by the keyboard: first one that is refused, and stays to be mended.
        poll = '[data-setting="keeper.poll"] input'
        hands.tab_to(poll)
        hands.overwrite("often")
        hands.key("Return")
        until("it is refused", lambda: "is no length of time" in self.window.text())
        self.assertEqual(self.value(poll), "often")
        self.becomes(off)
        hands.overwrite("500ms")
        hands.key("Return")
        slower = ("'250ms'", "'500ms'")
        self.becomes(off, slower)
        until("the refusal is gone", lambda: "is no length of time" not in self.window.text())

        # Somebody's own edit of the file is kept, and what it says is shown when the window is looked at again.
        again = ("back: true", "back: false")
        self.file.write_text(self.file.read_text().replace(*again))
        self.window.script("window.dispatchEvent(new Event('focus'))")
        back = "return document.querySelector(arguments[0]).checked"
        until("the page follows", lambda: self.window.script(back, SWITCH.format("back")) is False)
        hands.tab_to(SWITCH.format("back"), back=True)
        hands.key("space")
        self.becomes(off, slower)

        # The model crashes: its kind is switched off, and that it is back is told all the same.
        self.crash()
        until("a notification that it is back", lambda: self.world.notifications.about("MiniMax", "back"))
        told = [title for title, _body in self.world.notifications.about("MiniMax")]
        self.assertEqual(told, ["MiniMax broke off an answer", "MiniMax is back"])


if __name__ == "__main__":
    unittest.main()

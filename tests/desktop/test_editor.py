"""The Models page in the program's own window: once by the mouse, once by the keyboard alone, with the real engine, a real
file and simulated servers behind it. After each step the file's bytes are compared, comments and all.
Run by `scripts/desktop-tests`.
"""

import unittest

from case import Case
from world import HOSTED, LOCAL, screenshot, until

TEXT = "return [...document.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\\n')"
DIFF = """
const lines = (kind) => [...document.querySelectorAll(`dialog .diff .${kind} .line`)].map((line) => line.textContent.trim())
return [lines('removed'), lines('added')]
"""
# The line's number beside which the mark of a mistake stands.
MISTAKE = """
const marker = document.querySelector('.cm-lint-marker-error')
if (!marker) return null
const top = marker.getBoundingClientRect().top
const number = [...document.querySelectorAll('.cm-lineNumbers .cm-gutterElement')]
  .findLast((one) => one.getClientRects().length > 0 && one.getBoundingClientRect().top <= top)
return Number(number.textContent)
"""

GLM = "glm-4.7-flash"


class Editor(Case):
    def setUp(self):
        super().setUp()
        self.local = self.world.simulator("lmstudio", "--model", "minimax-m2.1-gs32:0", "--model", f"{GLM}:0", "--loaded", "minimax-m2.1-gs32")
        self.hosted = self.world.simulator("openai", "--model", "gpt-5.2")
        self.world.configure(self.local, self.hosted)
        self.open_window()

    # ---- what the file must be ----

    def file(self):
        return self.world.config.read_bytes().decode()

    def changed(self, before, *changes):
        """A text with each (old, new) replaced, where old stands exactly once."""
        for old, new in changes:
            self.assertEqual(before.count(old), 1, old)
            before = before.replace(old, new)
        return before

    def becomes(self, expected):
        """The file is these bytes, within a moment."""
        try:
            until("the file is written", lambda: self.file() == expected)
        except AssertionError:
            self.assertEqual(self.file(), expected)

    def settled_as(self, expected):
        """The file is these bytes, and the page has them."""
        self.becomes(expected)
        self.rests()

    def rests(self):
        until("nothing is under way", lambda: self.window.script("return document.querySelector('.draft').innerText.trim()") == "Saved")

    def shows(self, what, seconds=30):
        until(f"{what!r} is shown", lambda: what in self.window.text(), seconds)

    def chain(self):
        return self.window.script("return [...document.querySelectorAll('.chain-edit li')].map((one) => one.dataset.entry)")

    def reviewed(self, removed, added):
        """The difference that is shown before saving, line by line."""
        until("the difference is shown", lambda: self.window.script(DIFF)[1])
        self.assertEqual(self.window.script(DIFF), [removed, added])

    def the_page_is_open(self):
        self.shows("Add a provider")
        until("the text is shown", lambda: "Ada's own configuration" in self.window.script(TEXT))

    # What both ways of working do to the file.
    EDITED = [
        ("contextWindow: 196608", "contextWindow: 131072"),
        ('{ alias: "MiniMax" }', '{ alias: "Mini" }'),
        (f"primary: '{LOCAL}'", f'primary: "{HOSTED}"'),
        (f'fallbacks: ["{HOSTED}",]', f"fallbacks: ['{LOCAL}',]"),
    ]
    ALIASED = [["\"cloud/gpt-5.2\": { alias: 'GPT' }, // dear!"], ["\"cloud/gpt-5.2\": { alias: 'Cloud' }, // dear!"]]
    PROVIDER = '[data-provider="lmstudio"]'
    MODEL = f'[data-model="{LOCAL}"]'

    def alias_line(self, text):
        """The line of the hosted model's alias, counted from 0."""
        return next(number for number, line in enumerate(text.split("\n")) if line.strip() == self.ALIASED[0][0])

    def check_review(self, before):
        """The difference names exactly the lines that the edits touch."""
        after = self.changed(before, *self.EDITED)
        pairs = [(old.strip(), new.strip()) for old, new in zip(before.split("\n"), after.split("\n")) if old != new]
        self.reviewed([old for old, _ in pairs], [new for _, new in pairs])
        return after

    def check_added(self, before):
        """One provider stands in the file now that was not there, and not a byte else is another."""
        until("the file is written", lambda: self.file() != before)
        after = self.file()
        lines, new = before.split("\n"), after.split("\n")
        begin = next(index for index, (old, now) in enumerate(zip(lines, new)) if old != now)
        count = len(new) - len(lines)
        self.assertEqual(new[:begin] + new[begin + count:], lines)
        added = "\n".join(new[begin:begin + count])
        for part in ["lmstudio-2", self.local.url, GLM]:
            self.assertIn(part, added)

    # ---- the tests ----

    def test_by_mouse(self):
        hands, original = self.hands, self.file()
        hands.click("nav a", "Models")
        self.the_page_is_open()

        # A field, an alias and the chain's order.
        hands.click(f"{self.PROVIDER} .head")
        hands.click(f"{self.MODEL} .summary")
        self.fill_by_mouse(self.field("Context window"), "131072")
        self.fill_by_mouse(self.field("Alias"), "Mini")
        hands.click("#edit-providers")
        self.shows("2 unsaved changes")
        hands.drag(".handle", "Move Mini, number 1", ".chain-edit li", "GPT")
        until("the order is another", lambda: self.chain() == [HOSTED, LOCAL])
        self.shows("3 unsaved changes")
        screenshot("editor-draft")
        self.assertEqual(self.file(), original, "a draft was written")
        hands.click(".page-head button", "Review and save")
        edited = self.check_review(original)
        screenshot("editor-difference")
        hands.click("dialog button.primary", "Save")
        self.settled_as(edited)
        hands.click("button", "Undo the last save")
        self.settled_as(original)

        # A provider from a preset, tested, with a model that its server lists.
        hands.click("#add-provider")
        hands.click("dialog li button", "LM Studio")
        self.fill_by_mouse("#add-url", self.local.url)
        hands.click("dialog button", "Add to the draft")
        hands.click('[data-provider="lmstudio-2"] button', "Test connection")
        self.shows("lmstudio-2 works.")
        hands.click('[data-provider="lmstudio-2"] button', "Fetch models")
        hands.click("dialog li label", GLM)
        hands.click("dialog button.primary", "Add the model")
        hands.click(".page-head button", "Review and save")
        # The dialog grows by the lines it shows, and what is below them moves.
        until("the difference is shown", lambda: GLM in "".join(self.window.script(DIFF)[1]))
        hands.click("dialog button.primary", "Save")
        self.check_added(original)
        self.rests()
        hands.click("button", "Undo the last save")
        self.settled_as(original)

        # The text: a word is replaced, and the form follows; a mistake is marked at its line, and mended.
        hands.click(".cm-line .json5-string", "'GPT'", times=2)
        until("the word is selected", lambda: self.window.script("return getSelection().toString()") == "GPT")
        hands.type("Cloud")
        self.form_follows()
        hands.type("'")
        self.mistake_at(self.alias_line(original) + 1)
        screenshot("editor-mistake")
        hands.key("BackSpace")
        self.mended()
        hands.click(".page-head button", "Review and save")
        self.reviewed(*self.ALIASED)
        hands.click("dialog button.primary", "Save")
        self.becomes(self.changed(original, ("alias: 'GPT'", "alias: 'Cloud'")))

    def test_by_keyboard_alone(self):
        hands, original = self.hands, self.file()
        hands.tab_to("nav a", "Models")
        hands.key("Return")
        self.the_page_is_open()

        # The chain's order, an alias and a field.
        hands.tab_to(".handle", "Move MiniMax, number 1")
        hands.key("space", "Down", "space")
        until("the order is another", lambda: self.chain() == [HOSTED, LOCAL])
        hands.tab_to(f"{self.PROVIDER} .head")
        hands.key("Return")
        hands.tab_to(f"{self.MODEL} .summary")
        hands.key("Return")
        hands.tab_to(self.field("Alias"))
        hands.overwrite("Mini")
        hands.tab_to(self.field("Context window"))
        hands.overwrite("131072")
        self.assertEqual(self.file(), original, "a draft was written")
        # Saving takes what is typed and not yet left.
        hands.key("ctrl+s")
        edited = self.check_review(original)
        self.press("dialog button.primary", "Save")
        self.settled_as(edited)
        hands.tab_to("button", "Undo the last save", back=True)
        hands.key("Return")
        self.settled_as(original)

        # A provider from a preset, tested, with a model that its server lists.
        hands.tab_to("#add-provider")
        hands.key("Return")
        until("the filter has the focus", lambda: hands.focused("dialog input[type=search]"))
        hands.type("lm studio")
        hands.tab_to("dialog li button", "LM Studio")
        hands.key("Return")
        until("the address has the focus", lambda: hands.focused("#add-url"))
        hands.overwrite(self.local.url)
        hands.key("Return")
        until("the provider has the focus", lambda: hands.focused("#provider-lmstudio-2"))
        hands.tab_to('[data-provider="lmstudio-2"] button', "Test connection")
        hands.key("Return")
        self.shows("lmstudio-2 works.")
        hands.tab_to('[data-provider="lmstudio-2"] button', "Fetch models")
        hands.key("Return")
        self.shows(GLM)
        hands.tab_to(f'dialog input[value="{GLM}"]')
        hands.key("space")
        hands.tab_to("dialog button.primary", "Add the model")
        hands.key("Return")
        until("the dialog has given the focus back", lambda: hands.focused('[data-provider="lmstudio-2"] button', "Fetch models"))
        hands.key("ctrl+s")
        self.press("dialog button.primary", "Save")
        self.check_added(original)
        self.rests()
        hands.key("ctrl+z")
        self.settled_as(original)

        # The text: a word is replaced, and the form follows; a mistake is marked at its line, and mended.
        hands.tab_to(".cm-content")
        hands.key("ctrl+End")
        # A long line is folded, and has a step for each of its parts.
        while not self.window.script("return document.querySelector('.cm-activeLine').textContent").strip() == self.ALIASED[0][0]:
            hands.key("Up")
        hands.key("End", "End", *["Left"] * len("' }, // dear!"), *["shift+Left"] * len("GPT"))
        hands.type("Cloud")
        self.form_follows()
        hands.type("'")
        self.mistake_at(self.alias_line(original) + 1)
        hands.key("BackSpace")
        self.mended()
        hands.key("ctrl+s")
        self.reviewed(*self.ALIASED)
        self.press("dialog button.primary", "Save")
        self.becomes(self.changed(original, ("alias: 'GPT'", "alias: 'Cloud'")))
        until("the text has the focus again", lambda: hands.focused(".cm-content"))
        hands.key("Tab")
        self.assertFalse(hands.focused(".cm-content"), "Tab stays in the text")

    def press(self, selector, text):
        """Presses the button that a dialog put the focus on."""
        until(f"{text} has the focus", lambda: self.hands.focused(selector, text))
        self.hands.key("Return")

    def form_follows(self):
        until("the form follows", lambda: "Cloud" in self.window.script("return document.querySelector('.chain-edit').innerText"))

    def mistake_at(self, line):
        self.shows("The text has a mistake")
        until(f"it is marked at line {line}", lambda: self.window.script(MISTAKE) == line)

    def mended(self):
        until("the mistake is gone", lambda: "The text has a mistake" not in self.window.text())

    def field(self, label):
        """The selector of a field of the model's form."""
        find = f"return [...document.querySelectorAll('{self.MODEL} label')].find((one) => one.textContent === arguments[0])?.htmlFor"
        return f'[id="{until(label, lambda: self.window.script(find, label))}"]'

    def fill_by_mouse(self, field, text):
        """Clicks a field, and types over what is in it."""
        self.hands.click(field)
        until("the field has the focus", lambda: self.hands.focused(field))
        self.hands.overwrite(text)


if __name__ == "__main__":
    unittest.main()

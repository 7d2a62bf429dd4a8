"""What the tests have in common: a world of their own, a picture of it where one fails, and the program's window."""

import unittest

from hands import Hands
from webdriver import Window
from world import LOCAL, PROGRAMS, World, until


class Case(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.explained = False
        self.addCleanup(self.explain_failure)

    def explain_failure(self):
        # There is no public way to ask how the test went while its world still stands.
        result = self._outcome.result
        if not self.explained and any(test is self for test, _ in result.failures + result.errors):
            self.explained = True
            self.world.explain(f"failure-{self._testMethodName}")

    def open_window(self):
        """Starts the program with its window, for `self.window` and `self.hands`."""
        log = self.enterContext(self.world.log.open("ab"))
        self.window = Window(PROGRAMS / "pilotlight-desktop", [], self.world.environment(), log)
        self.addCleanup(self.window.close)
        # Once more, while the window is still there.
        self.addCleanup(self.explain_failure)
        until("the Overview is shown", lambda: LOCAL in self.window.text(), 20)
        self.hands = Hands(self.window, until("the window", self.world.windows)[0])

    def crash(self):
        """The local model crashes in the middle of an answer, as LM Studio says it then: without that, nobody could tell
        a crash from a person who ejects."""
        self.local.control("POST", "/_sim/faults", {"fault": "unload", "after": 3, "cause": "crash", "times": 1})
        status, _headers, text = self.world.ask(body={"model": "primary", "input": "Say something.", "stream": True})
        self.assertEqual(status, 200, text)
        self.assertIn("event: response.failed", text)

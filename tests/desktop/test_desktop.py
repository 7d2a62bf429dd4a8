"""The tray application as a person meets it: the real program on a real panel, with real notifications and a real window,
and simulated servers behind it. Run by `scripts/desktop-tests`.
"""

import signal
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import world
from case import Case
from webdriver import Window
from world import HOSTED, LOCAL, PROGRAMS, World, descendants, screenshot, shows, until

# A load that lasts long enough to be seen, and not long enough to be waited for.
LOAD = "minimax-m2.1-gs32:1500"

# A session bus without services that it could start.
BARE_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class Desktop(Case):
    def setUp(self):
        super().setUp()
        self.local = self.world.simulator("lmstudio", "--model", LOAD, "--word-delay", "1ms")
        self.hosted = self.world.simulator("openai", "--model", "gpt-5.2", "--word-delay", "1ms")
        self.world.configure(self.local, self.hosted)

    def start_warm(self):
        """The program, and its tray item once the local model is in memory."""
        self.world.start()
        tray = self.world.tray()
        until("the local model is warm", lambda: shows(tray, "warm"), 15)
        return tray

    def served_by(self, expected, asked="primary"):
        """Asks for something, and looks who answers."""
        status, headers, text = self.world.ask(asked)
        self.assertEqual(status, 200, text)
        self.assertEqual(headers["x-pilotlight-model"], expected)

    def test_the_tray_tells_the_state_and_lists_the_models(self):
        self.world.start()
        tray = self.world.tray()
        until("it says that the model is loading", lambda: "MiniMax · loading" in tray.ticked(), 5)
        until("it says that it is warm", lambda: "MiniMax · warm" in tray.ticked())
        self.assertTrue(shows(tray, "warm"))
        items = [item.label for item in tray.menu() if not item.separator]
        self.assertIn("MiniMax", items[0])
        self.assertIn("warm", items[0])
        self.assertEqual(
            items[1:],
            ["Primary", "MiniMax · warm", "GPT · hosted · fallback 1", "Eject MiniMax", "Open Pilot Light",
             "Copy endpoint", "Copy token", "Quit"],
        )
        self.assertEqual([item.label for item in tray.menu() if not item.enabled and not item.separator], items[:2])
        self.served_by(LOCAL)

    def test_choosing_a_model_changes_its_characters_in_the_file_and_the_next_request(self):
        tray = self.start_warm()
        before = self.world.config.read_text()
        world.press(tray, "GPT ·")
        until("the other model is ticked, alone", lambda: tray.ticked() == ["GPT · hosted"])
        after = self.world.config.read_text()
        # The two change places, each with the quotes it was written in.
        swapped = before.replace(f"primary: '{LOCAL}'", f'primary: "{HOSTED}"').replace(f'fallbacks: ["{HOSTED}",]', f"fallbacks: ['{LOCAL}',]")
        self.assertEqual(after, swapped)
        self.served_by(HOSTED)
        until("the icon says so", lambda: shows(tray, "hosted"))

    def test_a_click_on_the_chosen_model_unticks_nothing(self):
        tray = self.start_warm()
        before = self.world.config.read_bytes()
        for _ in range(2):
            self.chosen(tray).click()
            time.sleep(0.3)
            self.assertEqual(tray.ticked(), ["MiniMax · warm"])
        self.assertEqual(self.world.config.read_bytes(), before)

    @staticmethod
    def chosen(tray):
        return next(item for item in tray.menu() if item.ticked)

    def test_a_choice_that_cannot_be_written_is_said_and_not_ticked(self):
        tray = self.start_warm()
        self.world.config.write_text(self.world.config.read_text().replace("// the end", "oops"))
        until("the mistake is in the menu", lambda: tray.find("Mistake in openclaw.json, line"))
        self.assertTrue(until("a notification about the file", lambda: self.world.notifications.about("openclaw.json")))
        world.press(tray, "GPT ·")
        until("a notification that it was refused", lambda: self.world.notifications.about("could not be made the primary"))
        self.assertEqual(tray.ticked(), ["MiniMax · warm"])

    def test_an_unload_is_notified_and_so_is_the_return(self):
        tray = self.start_warm()
        screenshot("tray")
        self.crash()
        until("a notification that it is gone", lambda: self.world.notifications.about("MiniMax", "crashed"), 5)
        until("the tray says that it loads", lambda: "loading" in self.chosen(tray).label, 5)
        self.assertFalse(shows(tray, "warm"))
        screenshot("unloaded")
        self.served_by(HOSTED)
        until("a notification that it is back", lambda: self.world.notifications.about("MiniMax", "back"))
        until("the icon says so", lambda: shows(tray, "warm"))
        self.served_by(LOCAL)

    def test_a_person_who_ejects_elsewhere_is_not_fought(self):
        tray = self.start_warm()
        self.local.control("POST", "/_sim/unload", {"model": "minimax-m2.1-gs32", "cause": "ejected"})
        until("a notification that somebody ejected it", lambda: self.world.notifications.about("MiniMax", "ejected"), 5)
        until("the tray says so", lambda: self.chosen(tray).label == "MiniMax · cold")
        time.sleep(1.5)
        self.assertEqual(self.chosen(tray).label, "MiniMax · cold")
        # The notification offers it back: Reload is the first of its three buttons.
        def reload():
            for bubble in world.bubbles():
                world.click(bubble, 1 / 6, -30)
            time.sleep(1)
            return self.chosen(tray).label != "MiniMax · cold"

        until("it loads again", reload)
        until("it is warm again", lambda: self.chosen(tray).label == "MiniMax · warm")

    def test_a_kind_that_is_muted_by_its_button_is_kept_and_not_shown(self):
        tray = self.start_warm()
        self.local.control("POST", "/_sim/unload", {"model": "minimax-m2.1-gs32", "cause": "ejected"})
        until("a notification that somebody ejected it", lambda: self.world.notifications.about("MiniMax", "ejected"), 5)
        # Mute is the last of its three buttons.
        def mute():
            for bubble in world.bubbles():
                world.click(bubble, 5 / 6, -30)
            time.sleep(1)
            return self.world.state()["muted"]

        muted = until("it is muted", mute)
        self.assertEqual([one["kind"] for one in muted], ["unloaded"])
        self.assertAlmostEqual(muted[0]["until"] / 1000, time.time() + 3600, delta=60)

        world.press(tray, "Load MiniMax")
        until("a notification that it is back", lambda: self.world.notifications.about("MiniMax", "back"))
        self.crash()
        crashes = lambda: [one for one in self.world.state()["notices"] if "crash" in one["body"]]
        self.assertEqual([one["shown"] for one in until("the log has it", crashes)], [False])
        time.sleep(1)
        self.assertEqual(self.world.notifications.about("crash"), [], "it was muted")

    def test_eject_and_load_from_the_tray(self):
        tray = self.start_warm()
        world.press(tray, "Eject MiniMax")
        until("it is cold", lambda: self.chosen(tray).label == "MiniMax · cold")
        time.sleep(1.5)
        self.assertEqual(self.chosen(tray).label, "MiniMax · cold", "an unload by a person was fought")
        world.press(tray, "Load MiniMax")
        until("it is warm again", lambda: self.chosen(tray).label == "MiniMax · warm")

    def test_a_server_killed_in_mid_answer_is_notified_and_the_fallback_answers(self):
        tray = self.start_warm()
        self.local.control("POST", "/_sim/faults", {"fault": "hang", "after": 3})
        with ThreadPoolExecutor() as threads:
            body = {"model": "primary", "input": "Say something.", "stream": True}
            answer = threads.submit(self.world.ask, body=body)
            until("the answer is under way", lambda: self.local.control("GET", "/_sim/requests"))
            time.sleep(0.3)
            self.assertFalse(answer.done())
            self.local.kill()
            killed = time.monotonic()
            status, headers, text = answer.result(10)
            self.assertLess(time.monotonic() - killed, 1, "the error came late")
        self.assertEqual((status, headers["x-pilotlight-model"]), (200, LOCAL))
        self.assertIn("event: response.failed", text)
        began = time.monotonic()
        self.served_by(HOSTED)
        self.assertLess(time.monotonic() - began, 1, "the fallback came late")
        until("the tray says so", lambda: "not reachable" in self.chosen(tray).label, 5)
        until("the icon says so", lambda: shows(tray, "hosted"), 5)
        until("a notification of the answer", lambda: self.world.notifications.about("MiniMax", "answer"), 5)
        until("a notification of the server", lambda: self.world.notifications.about("GPT"), 5)
        self.assertNotIn("Eject MiniMax", [item.label for item in tray.menu()])

    def test_the_window_shows_what_is_and_chooses_too(self):
        with self.world.log.open("ab") as log:
            window = Window(PROGRAMS / "pilotlight-desktop", [], self.world.environment(), log)
            try:
                until("the chain is shown", lambda: all(word in window.text() for word in ["MiniMax", "GPT-5.2", LOCAL]))
                until("the model is warm", lambda: "kept warm" in window.text(), 15)
                self.served_by(LOCAL, asked="MiniMax")
                until("the request is listed", lambda: "No request" not in window.text())
                screenshot("window")
                window.click("label, button", "Make primary")
                until("it is written", lambda: f"primary: '{HOSTED}'" in self.world.config.read_text() or f'primary: "{HOSTED}"' in self.world.config.read_text())
                self.assertNotIn((self.world.home / "token").read_text().strip(), window.script("return document.documentElement.outerHTML"))
                refused = window.script("return window.__TAURI_INTERNALS__.invoke('plugin:notification|notify', {}).then(() => 'allowed', String)")
                self.assertIn("not", refused, "a page could call what it must not")
            finally:
                window.close()

    def test_closing_the_window_ends_the_web_view_and_nothing_else(self):
        self.world.start("--panel=dark")
        tray = self.world.tray()
        until("the window", self.world.windows)
        until("the web view runs", self.world.web_processes)
        self.world.close_window()
        until("its processes are gone", lambda: not descendants(self.world.app.pid))
        self.assertIsNone(self.world.app.poll())
        self.served_by(LOCAL if shows(tray, "warm") else HOSTED)
        world.press(tray, "Open Pilot Light")
        until("the window is back", self.world.windows)

    def test_a_second_start_opens_the_window_of_the_first(self):
        self.world.start()
        self.assertEqual(self.world.windows(), [])
        second = subprocess.run([PROGRAMS / "pilotlight-desktop"], env=self.world.environment(), timeout=10)
        self.assertEqual(second.returncode, 0)
        until("the window", self.world.windows)

    def test_two_folders_of_settings_are_two_programs(self):
        self.world.start()
        other = self.enterContext(World())
        other.configure(self.local, self.hosted)
        other.start()
        self.assertNotEqual(other.tray().name, self.world.tray().name)

    def test_quit_and_a_signal_end_it_in_good_order(self):
        for way in ["menu", "signal"]:
            self.world.start()
            tray = self.world.tray()
            world.press(tray, "Open Pilot Light")
            until("the window", self.world.windows)
            world.press(tray, "Quit") if way == "menu" else self.world.app.send_signal(signal.SIGTERM)
            self.assertEqual(self.world.app.wait(30), 0, way)
            self.assertFalse((self.world.home / "running.json").exists(), way)
            until("the window is gone", lambda: not self.world.windows())

    def test_beside_a_serve_it_says_so_and_stops(self):
        serve = subprocess.Popen([PROGRAMS / "pilotlight", "serve"], env=self.world.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(world.end, serve)
        until("serve runs", lambda: (self.world.home / "running.json").exists())
        desktop = subprocess.run([PROGRAMS / "pilotlight-desktop"], env=self.world.environment(), capture_output=True, text=True, timeout=15)
        self.assertEqual(desktop.returncode, 1)
        self.assertIn("already running", desktop.stderr)
        self.assertIn(str(serve.pid), desktop.stderr)
        self.assertTrue(self.world.notifications.about("already running"))

    def test_without_a_panel_there_is_a_window_and_its_end_is_the_end(self):
        # A bus that starts nothing by itself: the desktop portal and what it starts in turn would hold up the window for up to 25 s.
        bare = self.world.home / "bus.conf"
        bare.write_text(BARE_BUS)
        command = ["dbus-run-session", f"--config-file={bare}", "--", PROGRAMS / "pilotlight-desktop", "--hidden"]
        with self.world.log.open("ab") as log:
            session = subprocess.Popen(command, env=self.world.environment(), stdout=log, stderr=log, start_new_session=True)
        # The session's program would outlive it, and its window would be in the way of those that come after.
        self.addCleanup(world.end_group, session)
        until("the window", self.world.windows, 45)
        until("the web view runs", lambda: "WebKitWebProces" in descendants(session.pid), 45)
        self.world.close_window()
        try:
            self.assertEqual(session.wait(60), 0)
        except subprocess.TimeoutExpired:
            self.fail(f"it did not end; what its processes wait for:\n{world.waiting(session.pid)}")


class WithoutADisplay(unittest.TestCase):
    def test_it_says_so(self):
        with World() as world:
            environment = {name: value for name, value in world.environment().items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
            done = subprocess.run([PROGRAMS / "pilotlight-desktop"], env=environment, capture_output=True, text=True, timeout=10)
            self.assertEqual(done.returncode, 1)
            self.assertIn("pilotlight serve", done.stderr)
            version = subprocess.run([PROGRAMS / "pilotlight-desktop", "--version"], env=environment, capture_output=True, text=True, timeout=10)
            self.assertRegex(version.stdout, r"^pilotlight-desktop \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main()

"""Takes the README's picture: tray menu, window and notification in one. Not a test.

    SCREEN=1500x860x24 scripts/with-desktop python3 tests/desktop/pictures.py FILE.png
"""

import subprocess
import sys
import time

import world
from world import World, shows, until


def main(file):
    with World() as one:
        local = one.simulator("lmstudio", "--model", "minimax-m2.1-gs32:6000", "--word-delay", "20ms")
        hosted = one.simulator("openai", "--model", "gpt-5.2", "--word-delay", "20ms")
        one.configure(local, hosted)
        one.start("--panel=dark")
        tray = one.tray()
        one.ask()
        until("the local model is warm", lambda: shows(tray, "warm"), 15)
        window = until("the window", one.windows)[0]
        one.ask()
        one.ask("GPT")
        subprocess.run(["xdotool", "windowmove", "--sync", window, "30", "60"], check=True)
        # A crash in the middle of an answer; the next request is answered by the hosted model meanwhile.
        local.control("POST", "/_sim/faults", {"fault": "unload", "after": 0, "cause": "crash", "times": 1})
        one.ask()
        until("the notification", lambda: one.notifications.about("crashed"), 5)
        until("the icon", lambda: not shows(tray, "warm"), 5)
        one.ask()
        time.sleep(0.5)
        # The icon stands left of the clock. Opening its menu is for the eye alone; the tests read it over the bus.
        width = int(subprocess.run(["xdotool", "getdisplaygeometry"], capture_output=True, text=True).stdout.split()[0])
        subprocess.run(["xdotool", "mousemove", str(width - 84), "16", "click", "3"], check=True)
        time.sleep(1)
        subprocess.run(["import", "-window", "root", file], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    world.PICTURES = None
    main(sys.argv[1])

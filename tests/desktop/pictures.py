"""Takes the README's pictures: tray menu, window and notification in one, and the Models page light and dark. Not a test.

    SCREEN=1500x860x24 scripts/with-desktop python3 tests/desktop/pictures.py docs
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import world
from hands import Hands
from webdriver import Window
from world import HOSTED, LOCAL, PROGRAMS, World, shows, until

MODELS = """\
// The Mac Studio answers; GPT is for when it is off.
{
  agents: {
    defaults: {
      model: {
        primary: "lmstudio/minimax-m2.1-gs32",
        // Paid. Only until the Studio is back.
        fallbacks: ["cloud/gpt-5.2"],
      },
      models: {
        "lmstudio/minimax-m2.1-gs32": { alias: "MiniMax" },
        "cloud/gpt-5.2": { alias: "GPT" },
      },
    },
  },
  models: {
    mode: "merge",
    providers: {
      /* under the desk */
      lmstudio: {
        baseUrl: "LOCAL_URL",
        apiKey: "lmstudio", // it asks for none
        api: "openai-responses",
        models: [
          {
            id: "minimax-m2.1-gs32",
            name: "MiniMax M2.1",
            contextWindow: 196608,
            maxTokens: 8192,
          },
        ],
      },
      cloud: {
        baseUrl: "HOSTED_URL",
        apiKey: "${CLOUD_KEY}",
        api: "openai-responses",
        models: [
          { id: "gpt-5.2", name: "GPT-5.2", contextWindow: 400000, maxTokens: 128000 },
        ],
      },
    },
  },
}
"""


def main(folder):
    models(folder / "models-light.png", "Adwaita")
    models(folder / "models-dark.png", "Adwaita:dark")
    # Last, for its notifications stay for a while.
    os.environ["GTK_THEME"] = "Adwaita"
    desktop(folder / "desktop.png")


def models(file, theme):
    """The Models page with a change that is not saved yet."""
    os.environ["GTK_THEME"] = theme
    with World() as one:
        local = one.simulator("lmstudio", "--model", "minimax-m2.1-gs32:0", "--loaded", "minimax-m2.1-gs32")
        hosted = one.simulator("openai", "--model", "gpt-5.2")
        one.configure(local, hosted)
        one.config.write_text(MODELS.replace("LOCAL_URL", local.url).replace("HOSTED_URL", hosted.url))
        log = one.enter_context(one.log.open("ab"))
        window = Window(PROGRAMS / "pilotlight-desktop", [], one.environment(), log)
        one.callback(window.close)
        until("the model is warm", lambda: "kept warm" in window.text(), 20)
        number = until("the window", one.windows)[0]
        hands = Hands(window, number)
        hands.click("nav a", "Models")
        until("the text is shown", lambda: "Mac Studio" in window.text(), 20)
        hands.drag(".handle", "Move MiniMax", ".chain-edit li", "GPT")
        until("the draft is in the text", lambda: f'primary: "{HOSTED}"' in window.text() and f'["{LOCAL}"]' in window.text())
        hands.click("h1")
        window.script("document.activeElement.blur(); document.querySelector('.cm-scroller').scrollTop = 0; scrollTo(0, 0)")
        time.sleep(0.5)
        subprocess.run(["import", "-window", number, file], check=True)


def desktop(file):
    """Tray menu, window and notification, while the local model reloads after a crash."""
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
        time.sleep(2)
        subprocess.run(["import", "-window", "root", file], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    world.PICTURES = None
    main(Path(sys.argv[1]))

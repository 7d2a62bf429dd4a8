"""One test's world: a folder of its own, simulated servers, the tray application, and the means to look at them."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

import bus

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PROGRAMS", ROOT / "target" / "debug"))
PICTURES = os.environ.get("PICTURES")
"""A folder for screenshots; none are kept where it is not set."""

LOCAL, HOSTED = "lmstudio/minimax-m2.1-gs32", "cloud/gpt-5.2"

CONFIG = """\
// Ada's own configuration. Every comment was typed by hand, and none may be lost.
{
  // ---- who there is ----
  models: {
    "mode": 'merge', /* keep OpenClaw's own list */
    providers: {
      /* the big one,
         under the desk */
      lmstudio: {
        baseUrl: "LOCAL_URL",
        apiKey: 'lmstudio',   // LM Studio asks for none
        api: "openai-responses",
        models: [
          { id: "minimax-m2.1-gs32", name: 'MiniMax M2.1', reasoning: false, input: ["text"],
            cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }, contextWindow: 196608, maxTokens: 8192, },
        ],
      },
      cloud: {
        baseUrl: "HOSTED_URL",
        "apiKey": "${CLOUD_KEY}",
        api: "openai-responses",
        models: [ { id: "gpt-5.2", name: "GPT-5.2", contextWindow: 400_000_, maxTokens: 128000,
            cost: { input: 1.25, output: 10, cacheRead: 0.125, cacheWrite: 0 } } ],
      },
    },
  },
  agents: { defaults: {
    // primary: "cloud/gpt-5.2",   <- in the holidays
    model: {   primary: 'lmstudio/minimax-m2.1-gs32'   , /* mine */ fallbacks: ["cloud/gpt-5.2",], },
    models: {
      'lmstudio/minimax-m2.1-gs32': { alias: "MiniMax" },
      "cloud/gpt-5.2": { alias: 'GPT' }, // dear!
    },
  } },
  channels: { elses: [+1, .5, 0xBEEF, Infinity], },
}
// the end\
""".replace("400_000_", "400000")

SETTINGS = """\
{
  listen: "127.0.0.1:0",
  // On loopback only because it is simulated.
  providers: { cloud: { location: "hosted" } },
  keeper: { poll: "250ms" },
}
"""


class World(contextlib.ExitStack):
    """Everything one test needs. Leaving it ends what was started."""

    def __enter__(self):
        super().__enter__()
        self.folder = Path(tempfile.mkdtemp(prefix="pilotlight-desktop-"))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.config = self.folder / "openclaw.json"
        self.log = self.folder / "stderr.log"
        self.notifications = bus.Notifications()
        self.callback(self.notifications.close)
        self.app = None
        return self

    def explain(self, name="failure"):
        """Shows what the program said, for a test that failed, and keeps a picture of that name."""
        if self.log.exists():
            print(f"\n--- the program's standard error ---\n{self.log.read_text()[-6000:]}---", flush=True)
        print(f"--- notifications: {self.notifications.seen}", flush=True)
        screenshot(name)

    def simulator(self, kind, *options):
        """Starts a simulated server."""
        simulator = Simulator(kind, *options)
        self.callback(simulator.kill)
        return simulator

    def configure(self, local, hosted):
        """Writes configuration and settings for two servers."""
        self.config.write_text(CONFIG.replace("LOCAL_URL", local.url).replace("HOSTED_URL", hosted.url))
        (self.home / "settings.json5").write_text(SETTINGS)

    def environment(self):
        """What our programs are started with."""
        return os.environ | {
            "PILOTLIGHT_HOME": str(self.home),
            "OPENCLAW_CONFIG_PATH": str(self.config),
            "HOME": str(self.folder),
            "CLOUD_KEY": "not-a-real-key",
            "RUST_LOG": os.environ.get("RUST_LOG", "info"),
        }

    def start(self, *arguments):
        """Starts the tray application, without its window unless `arguments` say otherwise."""
        with self.log.open("ab") as log:
            command = [PROGRAMS / "pilotlight-desktop", *(arguments or ["--hidden"])]
            self.app = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log)
        self.callback(end, self.app)
        return until("the engine runs", self.running, 15)

    def running(self):
        """What the program says of itself in its home, once it does."""
        if self.app and self.app.poll() is not None:
            raise AssertionError(f"the program ended with {self.app.returncode}")
        file = self.home / "running.json"
        return json.loads(file.read_text()) if file.exists() else None

    def state(self):
        """What `pilotlight status` tells."""
        command = [PROGRAMS / "pilotlight", "status", "--json"]
        told = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=True)
        return json.loads(told.stdout)

    def tray(self):
        """The program's tray item, as soon as there is one with a menu."""
        def there():
            item = bus.TrayItem.of(self.app.pid)
            return item if item and item.menu() else None

        return until("a tray item", there, 10)

    def ask(self, model="primary", path="/v1/responses", body=None):
        """A client's request: (status, headers, text)."""
        endpoint = urllib.parse.urlsplit(self.running()["address"])
        body = body or {"model": model, "input": "Say something."}
        token = (self.home / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return request(endpoint.netloc, "POST", path, body, headers)

    def windows(self):
        """The X numbers of the program's windows that can be seen: those of processes that this test started."""
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "^Pilot Light$"], capture_output=True, text=True)
        ours = {str(pid) for pid, _name in family(os.getpid())}
        owner = lambda window: subprocess.run(["xdotool", "getwindowpid", window], capture_output=True, text=True).stdout.strip()
        return [window for window in found.stdout.split() if owner(window) in ours]

    def close_window(self):
        """Closes the program's window as a person does, with the window manager's own key."""
        def gone():
            # A window that has only just come may lose the focus again to what comes after it: then the key is pressed anew.
            for window in (windows := self.windows()):
                subprocess.run(["xdotool", "windowactivate", "--sync", window], timeout=10, capture_output=True)
                subprocess.run(["xdotool", "key", "alt+F4"], check=True)
                time.sleep(1)
            return not windows

        until("the window is gone", gone)

    def web_processes(self):
        """The web view's processes that belong to the program."""
        return [name for name in descendants(self.app.pid) if name.startswith("WebKit")]


class Simulator:
    """A simulated server in a process of its own, so that it can be killed like one."""

    def __init__(self, kind, *options):
        command = [PROGRAMS / "pilotlight-simulator", kind, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        addresses = re.findall(r"http://127\.0\.0\.1:\d+", line)
        if not addresses:
            raise AssertionError(f"the simulator said {line!r}")
        self.url = addresses[0] + "/v1"
        self.control_url = addresses[-1]

    def control(self, method, path, body=None):
        """Makes it fail, or asks what it has seen."""
        status, _headers, text = request(urllib.parse.urlsplit(self.control_url).netloc, method, path, body)
        if status >= 300:
            raise AssertionError(f"{method} {path}: {status} {text}")
        return json.loads(text) if text else None

    def kill(self):
        """As `kill -9`."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def request(host, method, path, body=None, headers=None):
    """One HTTP request: (status, headers, text)."""
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        content = json.dumps(body) if body is not None else None
        connection.request(method, path, content, {"Content-Type": "application/json"} | (headers or {}))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def until(what, look, seconds=30.0):
    """Looks until it sees something, and returns that. Whatever `look` trips over on the way counts as nothing seen."""
    deadline = time.monotonic() + seconds
    seen = None
    while time.monotonic() < deadline:
        try:
            if result := look():
                return result
            seen = result
        except (bus.BusError, OSError, ValueError, LookupError, subprocess.CalledProcessError) as error:
            seen = error
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what} (last: {seen!r})")


def end(process):
    """Ends a process that we started, gently first."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_group(process):
    """Ends a process that was started as a session of its own, and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def waiting(pid):
    """What each thread of a process and of its children waits for, as far as the kernel tells."""
    lines = []
    for process, name in [(pid, "-"), *family(pid)]:
        for thread in Path(f"/proc/{process}/task").glob("*"):
            with contextlib.suppress(OSError):
                call = (thread / "syscall").read_text().split()[0]
                lines.append(f"{process} {name}: {(thread / 'comm').read_text().strip()} in call {call}, {(thread / 'wchan').read_text()}")
    return "\n".join(lines)


def alive(pid):
    """Whether a process still runs."""
    try:
        return (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "Z"
    except OSError:
        return False


def descendants(pid):
    """The names of a process's children, and theirs."""
    return [name for _pid, name in family(pid)]


def family(pid):
    """The number and the name of each of a process's children, and theirs."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
                parents.setdefault(int(rest.split()[1]), []).append((int(entry.name), name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += [child for child, _name in children]
    return found


def press(tray, label):
    """Clicks an item of the tray's menu. The menu is made anew with every change of the state: what was found may be gone."""
    until(f"{label!r} is in the menu", lambda: tray.find(label).click() or True)


def bubbles():
    """The X numbers of the notifications that can be seen."""
    found = subprocess.run(["xdotool", "search", "--onlyvisible", "--class", "xfce4-notifyd"], capture_output=True, text=True)
    return found.stdout.split()


def click(window, across, down):
    """Clicks into a window: a part of its width from the left, pixels from its top, or from its bottom if below 0."""
    shell = subprocess.run(["xdotool", "getwindowgeometry", "--shell", window], capture_output=True, text=True, check=True)
    size = dict(line.split("=") for line in shell.stdout.split())
    x, y = int(int(size["WIDTH"]) * across), down if down >= 0 else int(size["HEIGHT"]) + down
    subprocess.run(["xdotool", "mousemove", "--window", window, str(x), str(y), "click", "1"], check=True)


def pixels(picture):
    """A picture's pixels, whatever way they are packed."""
    return subprocess.run(["convert", str(picture), "-depth", "8", "rgba:-"], capture_output=True, check=True).stdout


def shows(item, state):
    """Whether the panel is told to show the icon of a state (Xfce's panel is dark)."""
    wanted = pixels(ROOT / "icons" / "tray" / f"{state}-on-dark.png")
    for _ in range(5):
        try:
            return pixels(item.icon()) == wanted
        except subprocess.CalledProcessError:
            # The tray library removes a picture's file as soon as the next one is named.
            time.sleep(0.1)
    return False


def screenshot(name):
    """Keeps a picture of the whole desktop, if pictures are kept."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        subprocess.run(["import", "-window", "root", str(Path(PICTURES) / f"{name}.png")], check=False)

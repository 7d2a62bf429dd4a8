"""What both opt-in tests against real programs stand on: the simulated servers, Pilot Light in front of them, and a
folder of their own that goes when they end. Everything listens on loopback, on ports that the kernel chooses."""

import atexit
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PROGRAMS", ROOT / "target" / "debug"))


@dataclass(frozen=True)
class Upstream:
    """A provider of the configuration: what it speaks, who plays it, and with which model."""

    provider: str
    api: str
    simulator: str
    path: str
    model: str

    @property
    def ref(self):
        return f"{self.provider}/{self.model}"


UPSTREAMS = [
    Upstream("responses", "openai-responses", "openai", "/v1", "gpt-5.2"),
    Upstream("chat", "openai-completions", "openai", "/v1", "gpt-5.2"),
    Upstream("messages", "anthropic-messages", "anthropic", "", "claude-sonnet-4-5"),
    Upstream("gemini", "google-generative-ai", "google", "/v1beta", "gemini-2.5-pro"),
    Upstream("ollama", "ollama", "ollama", "", "qwen3:8b"),
]


class World:
    """Simulators by name, their base addresses, and Pilot Light's. `with World(...) as world`."""

    def __init__(self, simulator_options=(), simulators=None):
        self.folder = Path(tempfile.mkdtemp(prefix="pilotlight-test-"))
        atexit.register(self.close)
        self.children = []
        self.bases, self.controls = {}, {}
        for name in dict.fromkeys(up.simulator for up in UPSTREAMS) if simulators is None else simulators:
            # Models that think do so at Ollama unless they are told not to.
            thoughts = ("--reasoning", "It was asked plainly.") if name == "ollama" else ()
            self.simulate(name, name, *thoughts, *simulator_options)
        self.ours = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for child in reversed(self.children):
            child.terminate()
        for child in reversed(self.children):
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
        self.children.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, log, *command, **environment):
        """Starts a program and gives the first line it prints. Its further words go to a file of that name."""
        with open(self.folder / f"{log}.log", "w") as errors:
            child = subprocess.Popen(
                [str(part) for part in command], stdout=subprocess.PIPE, stderr=errors, text=True,
                env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
            )
        self.children.append(child)
        line = child.stdout.readline()
        threading.Thread(target=lambda: [None for _ in child.stdout], daemon=True).start()
        if not line:
            words = (self.folder / f"{log}.log").read_text()
            raise SystemExit(f"{command[0]} did not start: {words[-2000:]}")
        return line

    def simulate(self, name, kind, *options):
        line = self.start(name, PROGRAMS / "pilotlight-simulator", kind, "--word-delay", "1ms", *options)
        self.bases[name], self.controls[name] = re.findall(r"http://\S+", line)

    def serve(self, configuration=None, hosted=True):
        """Starts Pilot Light with a provider for each upstream API, or with this configuration."""
        home = self.folder / "home"
        home.mkdir()
        configuration = configuration or self.configuration()
        (self.folder / "openclaw.json").write_text(json.dumps(configuration))
        names = configuration["models"]["providers"] if hosted else []
        providers = {name: {"location": "hosted"} for name in names}
        (home / "settings.json5").write_text(json.dumps({"token": None, "providers": providers}))
        line = self.start(
            "pilotlight", PROGRAMS / "pilotlight", "serve", "--config", self.folder / "openclaw.json",
            "--listen", "127.0.0.1:0", PILOTLIGHT_HOME=str(home),
        )
        self.ours = re.search(r"http://[0-9.]+:\d+", line)[0]

    def configuration(self):
        providers = {
            upstream.provider: {
                "baseUrl": self.bases[upstream.simulator] + upstream.path,
                "api": upstream.api,
                "apiKey": "no-real-key",
                "models": [{
                    "id": upstream.model, "name": upstream.model, "contextWindow": 200_000, "maxTokens": 8_192,
                    "reasoning": True, "input": ["text", "image"],
                }],
            }
            for upstream in UPSTREAMS
        }
        model = {"primary": UPSTREAMS[0].ref}
        return {"models": {"providers": providers}, "agents": {"defaults": {"model": model}}}

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

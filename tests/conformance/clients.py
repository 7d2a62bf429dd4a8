"""Real clients, unmodified: one text turn and one tool turn each, streamed, with each upstream API behind Pilot Light; then
a load that outlasts each client's patience.

The simulated model calls the tool it is told to. The agents run it for real: what it prints must come back to the model.

usage: clients.py CLIENT=COMMAND... (see scripts/test-clients)
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request

from world import UPSTREAMS, World

SAYS, RUNS = "lit-by-42", "echo${IFS}lit-by-$((6*7))"
LIMIT = 240
"""Seconds for one run of a client. They take a few; a busy machine takes longer."""

# Whatever else a client would like to reach on the way is not there.
ALONE = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost",
         "https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1,localhost", "DO_NOT_TRACK": "1", "NO_COLOR": "1"}


ANSWER = re.compile(r"(Hosted|Local model) \S+ here: ")
"""How every answer of the simulator begins. Its end may repeat a client's own marks, which OpenClaw then takes out."""


class Failed(Exception):
    """A client did not get what it should. The words say what it got."""


class Client:
    """A client in a home of its own, talking to Pilot Light at `base`."""

    def __init__(self, world, command, number):
        self.world, self.command = world, shlex.split(command)
        self.home = world.folder / f"client-{number}"
        (self.home / "work").mkdir(parents=True)

    def run(self, arguments, limit=LIMIT, **environment):
        path = f"{os.path.dirname(self.command[0])}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(self.home), "TMPDIR": str(self.home), **ALONE, **environment}
        command = [*self.command, *(str(argument) for argument in arguments)]
        with subprocess.Popen(command, env=environment, cwd=self.home / "work", stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as child:
            try:
                out, err = child.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, 9)
                out, err = child.communicate()
                raise Failed(f"did not end in {limit} s: {(out + err)[-400:]}") from None
        return out + ("" if child.returncode == 0 else f"\n[exit {child.returncode}] {err[-600:]}")

    def turns(self, upstream):
        """Both turns with this upstream behind."""
        said = self.ask(upstream.ref, "Say hello.")
        if not ANSWER.search(said):
            raise Failed(f"text turn: {said[-400:]}")
        before = self.world.requests(upstream)
        self.tool_turn(upstream.ref)
        sent = [json.dumps(body) for body in self.world.requests(upstream)[len(before):]]
        if not any(SAYS in body for body in sent):
            raise Failed(f"the tool's result did not come back; {len(sent)} requests")

    def tool_turn(self, model):
        said = self.ask(model, f'TOOL({self.tool}){json.dumps(self.arguments, separators=(",", ":"))}')
        if not ANSWER.search(said):
            raise Failed(f"tool turn: {said[-400:]}")


class Python(Client):
    """The vendors' own packages: they run no tool themselves, tests/conformance/sdk.py does."""

    def turns(self, upstream):
        got = self.sdk(upstream.ref)
        if "That is my answer" not in got["text"] or got["calls"] != [["look_up", {"word": "pilot light"}]]:
            raise Failed(f"{got}")
        if "The tool has answered" not in got["after"]:
            raise Failed(f"after the tool: {got['after'][-200:]}")

    def sdk(self, model, *patience):
        out = self.run([self.api, self.world.ours, model, *patience])
        try:
            return json.loads(out)
        except ValueError:
            raise Failed(out.strip()[-400:]) from None

    def patient(self, model, seconds):
        got = self.sdk(model, seconds)
        if "That is my answer" not in got["text"]:
            raise Failed(f"{got}")


class OpenAiChat(Python):
    api = "chat"


class OpenAiResponses(Python):
    api = "responses"


class Anthropic(Python):
    api = "messages"


class Codex(Client):
    tool, arguments = "exec_command", {"cmd": RUNS}

    def ask(self, model, prompt, idle_ms=300_000):
        provider = (f'{{name="pilotlight",base_url="{self.world.ours}/v1",wire_api="responses",env_key="PILOTLIGHT_KEY",'
                    f"request_max_retries=0,stream_max_retries=0,stream_idle_timeout_ms={idle_ms}}}")
        settings = ["model_provider=pilotlight", f"model_providers.pilotlight={provider}", "analytics.enabled=false",
                    "check_for_update_on_startup=false", "otel.exporter=none", 'model_reasoning_summary="auto"']
        options = [part for setting in settings for part in ("-c", setting)]
        return self.run(["exec", "--skip-git-repo-check", "-s", "danger-full-access", "--json", "-m", model, *options,
                         prompt], CODEX_HOME=str(self.home / "codex"), PILOTLIGHT_KEY="no-real-key")

    def run(self, arguments, **environment):
        (self.home / "codex").mkdir(exist_ok=True)
        return super().run(arguments, **environment)

    def patient(self, model, seconds):
        said = self.ask(model, "Say hello.", idle_ms=int(seconds * 1000))
        if "That is my answer" not in said:
            raise Failed(said[-400:])


class ClaudeCode(Client):
    tool, arguments = "Bash", {"command": RUNS, "description": "Says who lit it."}

    def ask(self, model, prompt, **environment):
        return self.run(
            ["-p", prompt, "--model", model, "--allowedTools", "Bash", "--output-format", "stream-json", "--verbose"],
            ANTHROPIC_BASE_URL=self.world.ours, ANTHROPIC_AUTH_TOKEN="no-real-key", DISABLE_TELEMETRY="1",
            DISABLE_AUTOUPDATER="1", DISABLE_ERROR_REPORTING="1", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            CLAUDE_CODE_MAX_RETRIES="0", **environment)

    def patient(self, model, seconds):
        milliseconds = str(int(seconds * 1000))
        said = self.ask(model, "Say hello.", API_TIMEOUT_MS=milliseconds, CLAUDE_STREAM_IDLE_TIMEOUT_MS=milliseconds,
                        CLAUDE_ENABLE_STREAM_WATCHDOG="1")
        if "That is my answer" not in said:
            raise Failed(said[-400:])


class OpenCode(Client):
    tool, arguments = "bash", {"command": RUNS, "description": "Says-who-lit-it."}
    package = "@ai-sdk/openai-compatible"

    def ask(self, model, prompt, **patience):
        provider = {"npm": self.package, "name": "Pilot Light",
                    "options": {"baseURL": f"{self.world.ours}/v1", "apiKey": "no-real-key", **patience},
                    "models": {model: {"name": model, "tool_call": True}}}
        configuration = {"provider": {"pilotlight": provider}, "model": f"pilotlight/{model}", "share": "disabled",
                         "small_model": f"pilotlight/{model}", "autoupdate": False}
        return self.run(
            ["run", "--pure", "--auto", "--format", "json", "-m", f"pilotlight/{model}", prompt],
            OPENCODE_CONFIG_CONTENT=json.dumps(configuration), OPENCODE_DISABLE_MODELS_FETCH="1",
            OPENCODE_DISABLE_AUTOUPDATE="1", OPENCODE_DISABLE_LSP_DOWNLOAD="1")

    def patient(self, model, seconds):
        milliseconds = int(seconds * 1000)
        said = self.ask(model, "Say hello.", headerTimeout=milliseconds, chunkTimeout=milliseconds)
        if not ANSWER.search(said):
            raise Failed(said[-400:])


class OpenCodeResponses(OpenCode):
    package = "@ai-sdk/openai"


class OpenCodeMessages(OpenCode):
    package = "@ai-sdk/anthropic"


class OpenClaw(Client):
    tool, arguments = "exec", {"command": RUNS}
    api = "openai-responses"

    def ask(self, model, prompt, **patience):
        row = {"id": model, "name": model, "reasoning": True, "input": ["text"], "contextWindow": 200_000,
               "maxTokens": 8_000, "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}}
        base = self.world.ours + ("" if self.api == "anthropic-messages" else "/v1")
        provider = {"baseUrl": base, "apiKey": "some-token", "api": self.api, "models": [row],
                    **patience}
        configuration = {"models": {"mode": "replace", "providers": {"pilotlight": provider}},
                         "tools": {"toolSearch": False},
                         "agents": {"defaults": {"model": {"primary": f"pilotlight/{model}"}}}}
        file, state = self.home / "openclaw.json", self.home / "state"
        file.write_text(json.dumps(configuration))
        state.mkdir(exist_ok=True)
        return self.run(
            ["agent", "exec", "--config", file, "--state-dir", state, "--cwd", self.home / "work",
             "--model", f"pilotlight/{model}", "--json", prompt],
            OPENCLAW_STATE_DIR=str(state), OPENCLAW_CONFIG_PATH=str(file))

    def patient(self, model, seconds):
        said = self.ask(model, "Say hello.", timeoutSeconds=int(seconds))
        if not ANSWER.search(said):
            raise Failed(said[-400:])


class OpenClawChat(OpenClaw):
    api = "openai-completions"


class OpenClawMessages(OpenClaw):
    api = "anthropic-messages"


CLIENTS = {"openai-chat": OpenAiChat, "openai-responses": OpenAiResponses, "anthropic": Anthropic, "codex": Codex,
           "claude-code": ClaudeCode, "opencode": OpenCode, "opencode-responses": OpenCodeResponses,
           "opencode-messages": OpenCodeMessages, "openclaw": OpenClaw, "openclaw-chat": OpenClawChat,
           "openclaw-messages": OpenClawMessages}
OTHER_API = {"opencode-responses", "opencode-messages", "openclaw-chat", "openclaw-messages"}
"""Clients that stand above with the API that they speak by themselves: the others are asked of two upstreams, and not cold."""


class Clients(World):
    def requests(self, upstream):
        with urllib.request.urlopen(f"{self.controls[upstream.simulator]}/_sim/requests") as answer:
            seen = json.load(answer)
        seen = seen if isinstance(seen, list) else seen["requests"]
        return [request["body"] for request in seen if request["method"] == "POST"]


def turns(commands):
    problems = 0
    print(f"{'':18}" + "".join(f"{upstream.provider:>12}" for upstream in UPSTREAMS))
    for name, command in commands.items():
        with Clients() as world:
            world.serve()
            cells, words = [], []
            for number, upstream in enumerate(UPSTREAMS):
                began = time.monotonic()
                if name in OTHER_API and upstream.provider not in ("chat", "messages"):
                    cells.append("-")
                    continue
                try:
                    CLIENTS[name](world, command, number).turns(upstream)
                    cells.append(f"{time.monotonic() - began:.1f} s")
                except Failed as failed:
                    cells.append("FAILED")
                    words.append(f"  {name} with {upstream.provider}: {failed}")
        print(f"{name:18}" + "".join(f"{cell:>12}" for cell in cells), flush=True)
        print("\n".join(words) + "\n" if words else "", end="", flush=True)
        problems += len(words)
    return problems


LOAD, PATIENCE = 40, 15


def cold_load(commands):
    """A local model that takes LOAD seconds to load, asked by clients that wait PATIENCE seconds for a sign of life: straight,
    where they must give up (or their patience was not set), and through Pilot Light."""
    problems = 0
    print(f"\nA cold load of {LOAD} s, asked by clients that give up after {PATIENCE} s of silence:")
    for name, command in commands.items():
        if name in OTHER_API:
            continue
        straight, words = asked_cold(name, command, through=False)
        gave_up = f"gives up after {straight:.1f} s" if words else f"waits all the same, {straight:.1f} s"
        seconds, failed = asked_cold(name, command, through=True)
        problems += bool(failed)
        result = f"FAILED after {seconds:.1f} s: {failed}" if failed else f"answered after {seconds:.1f} s"
        print(f"  {name:18}straight it {gave_up}; through us {result}", flush=True)
    return problems


def asked_cold(name, command, through):
    """Seconds, and why it failed if it did."""
    with Clients(simulators=[]) as world:
        world.simulate("lmstudio", "lmstudio", "--model", f"slow-model:{LOAD * 1000}")
        base, model = world.bases["lmstudio"], "slow-model"
        if through:
            row = {"id": model, "name": "slow", "contextWindow": 100_000, "maxTokens": 8_000, "input": ["text"]}
            provider = {"baseUrl": f"{base}/v1", "api": "openai-responses", "apiKey": "lmstudio", "models": [row]}
            model = f"lmstudio/{model}"
            world.serve({"models": {"providers": {"lmstudio": provider}},
                         "agents": {"defaults": {"model": {"primary": model}}}}, hosted=False)
        else:
            world.ours = base
        began = time.monotonic()
        try:
            CLIENTS[name](world, command, 0).patient(model, PATIENCE)
            return time.monotonic() - began, None
        except Failed as failed:
            return time.monotonic() - began, failed


def main():
    commands = dict(argument.split("=", 1) for argument in sys.argv[1:])
    problems = turns(commands) + cold_load(commands)
    print(f"\n{problems} failed." if problems else "\nEvery client got its text, its tool and its answer.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""llmprobe's assertions, asked of the simulated servers straight and through Pilot Light with each upstream API behind.

An assertion that passes straight, at the server whose own API it is of, must pass through us, whatever stands behind.
What cannot is in EXPECTED, with its reason; an entry there that is not needed is a failure too.

usage: conformance.py NODE LLMPROBE (see scripts/test-conformance)
"""

import json
import os
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch

from world import UPSTREAMS, World

STRAIGHT = {"openai": "gpt-5.2", "anthropic": "claude-sonnet-4-5"}
OF_ANTHROPIC = ("messages", "count-tokens")

EXPECTED = [
    ("!chat !responses", "embeddings-*", "embeddings are passed on and not translated"),
    ("!chat !responses", "completions-basic", "the old completions are passed on and not translated"),
    ("!chat", "chat-n-choices", "several answers at once are refused: no other API has them"),
    ("responses", "*-limits-max-tokens", "OpenAI's Responses takes no limit below 16 tokens: it is raised to that"),
    ("!messages", "messages-assistant-prefill", "the other APIs begin a new turn after the model's own words"),
    ("chat gemini ollama", "messages-stop-sequence-echo", "these APIs do not say that a stop sequence ended it"),
    ("chat", "messages-reasoning*", "OpenAI's Chat shows no thoughts"),
    ("chat", "messages-thinking-budget", "OpenAI's Chat shows no thoughts, so there is nothing to be judged"),
    ("gemini ollama", "responses-streaming", "OpenAI's SDKs read reasoning_text.delta, Open Responses says reasoning.delta"),
    ("ollama", "*-tool*", "Ollama cannot be told that a tool must be called"),
    ("!messages", "count-tokens-matches-usage", "elsewhere than at Anthropic tokens are estimated"),
]
"""Providers (with ! all but those), tests, and why it cannot hold there. Tests of thoughts, tools and such that llmprobe
can then not judge count as lost too, since they said something straight."""


def expected(provider, test):
    for place, (providers, pattern, _) in enumerate(EXPECTED):
        names = providers.split()
        excluded = {name[1:] for name in names if name[0] == "!"}
        if (provider not in excluded if excluded else provider in names) and fnmatch(test, pattern):
            return place
    return None


class Run:
    """One run of llmprobe: each test's outcome, and the assertions that failed in it."""

    def __init__(self, world, name, base, model):
        home = world.folder / f"llmprobe-{name}"
        home.mkdir()
        command = [*sys.argv[1:3], f"{base}/v1", "-m", model, "--no-bench", "--no-save", "--no-color", "--json"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        # Into a file: it ends before a pipe has taken all of a long report.
        output = home / "report.json"
        with output.open("w") as file:
            run = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, timeout=300, env=environment)
        try:
            report = json.loads(output.read_text())["conformance"]
        except (ValueError, KeyError):
            raise SystemExit(f"llmprobe gave no report of {name}: {output.read_text()[-500:]} {run.stderr[-500:]}")
        if folder := os.environ.get("REPORTS"):
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, f"{name}.json"), "w") as file:
                file.write(output.read_text())
        self.surfaces = {row["surface"]: (row["passed"], row["total"]) for row in report["bySurface"]}
        self.passed, self.total = report["passed"], report["total"]
        self.tests = {test["id"]: test for test in report["results"]}
        self.warnings = {warning["id"]: warning.get("message", "") for warning in report["warnings"]}

    def failed(self, test):
        return {failure["id"]: failure["message"] for failure in self.tests[test]["failures"]}


def lost(straight, through):
    """What passes straight and does not through us: (test, what was seen)."""
    for test, seen in through.tests.items():
        own = straight["anthropic" if seen["surface"] in OF_ANTHROPIC else "openai"]
        before = own.tests.get(test, {"outcome": "fail"})
        new = {i: words for i, words in through.failed(test).items() if i not in own.failed(test)}
        if before["outcome"] == "pass" and seen["outcome"] != "pass":
            yield test, "; ".join(new.values()) or seen["outcome"]
        elif before["outcome"] == "fail" and new:
            yield test, "; ".join(new.values())
    known = {warning for run in straight.values() for warning in run.warnings}
    for warning, words in through.warnings.items():
        if warning not in known:
            yield warning, words


def main():
    problems = []
    with World() as world:
        straight = {name: Run(world, name, world.bases[name], model) for name, model in STRAIGHT.items()}
        world.serve()
        through = {up.provider: Run(world, up.provider, world.ours, up.ref) for up in UPSTREAMS}
    surfaces = ["models", "chat", "responses", "messages", "count-tokens", "embeddings", "completions"]
    rows = [(f"straight: {name}", run) for name, run in straight.items()]
    rows += [(f"through us: {name}", run) for name, run in through.items()]
    print(f"{'assertions passed':24}" + "".join(f"{surface:>14}" for surface in [*surfaces, "all"]))
    for name, run in rows:
        cells = [run.surfaces.get(surface) for surface in surfaces] + [(run.passed, run.total)]
        print(f"{name:24}" + "".join(f"{f'{cell[0]}/{cell[1]}' if cell else '-':>14}" for cell in cells))
    asked = Counter()
    for run in straight.values():
        asked.update(test["outcome"] for test in run.tests.values() if test["outcome"] in ("pass", "fail"))
    print(f"\nTests that say something straight: {sum(asked.values())}, {asked['pass']} of them pass.")
    needed = {}
    for provider, run in through.items():
        for test, words in lost(straight, run):
            place = expected(provider, test)
            if place is None:
                problems.append(f"{provider} {test}: {words[:300]}")
            else:
                needed.setdefault(place, []).append(f"{provider} {test}")
    for place, (providers, pattern, reason) in enumerate(EXPECTED):
        if place in needed:
            print(f"expected: {reason} ({', '.join(needed[place])})")
        else:
            problems.append(f"{providers} {pattern} is expected to fail, and does not")
    for problem in problems:
        print(f"LOST: {problem}")
    print(f"\n{len(problems)} assertions are lost." if problems else "\nNone that passes straight is lost through us.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

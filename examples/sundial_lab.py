"""Starts `sundial lab` and asks it: all that a test in Python needs, with the standard library alone."""

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class LabError(Exception):
    """What the lab refused: `code` is for programs, the text says what to do."""

    def __init__(self, problem):
        super().__init__(f"{problem['code']}: {problem['title']} {problem['remedy']}")
        self.code = problem["code"]


class Lab:
    """A lab that runs; use it in a `with` statement."""

    def __enter__(self):
        self.process = subprocess.Popen(
            ["node", str(ROOT / "tools" / "sundial.mjs"), "lab", "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self.url, self.token = event["url"], event["token"]
                return self
        raise RuntimeError("the lab did not start; its messages stand above")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()

    def ask(self, method, path, body=None):
        """One question; a refusal is a LabError."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if method != "POST" else json.dumps(body or {}).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise LabError(json.load(error)) from None

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, **body):
        return self.ask("POST", path, body)

    def device(self, name, role, **more):
        return self.post("/v1/devices", name=name, role=role, **more)

    def network(self, name, on):
        return self.post(f"/v1/devices/{name}/network", on=on)

    def tap(self, payer, terminal, amount, **more):
        return self.post("/v1/taps", payer=payer, terminal=terminal, amount=amount, **more)

    def status(self, name):
        """What the device's own books say."""
        return self.get(f"/v1/devices/{name}")["status"]

    def events(self, name, after=0, event=None, wait=0):
        names = "" if event is None else f"&event={event}"
        return self.get(f"/v1/devices/{name}/events?after={after}&wait={wait}{names}")["events"]

    def wait(self, name, event, after=0, seconds=60, holds=lambda _: True):
        """The first event of this name behind number `after` that holds."""
        while True:
            found = self.events(name, after, event, seconds)
            if not found:
                raise AssertionError(f"{name} never said {event}")
            for one in found:
                if holds(one):
                    return one
            after = found[-1]["number"]

    def drained(self, *names):
        """Waits until the hub has acknowledged everything that these devices hold."""
        for name in names:
            while self.status(name)["outbox"] > 0:
                self.wait(name, "acknowledged", self.get(f"/v1/devices/{name}")["lastEvent"] - 1)

    def books(self):
        return self.get("/v1/books")


def check(condition, what):
    """A line for people, and the end of the program when it does not hold."""
    if not condition:
        raise SystemExit(f"FAILED: {what}")
    print(f"ok: {what}")

"""What other programs see of ours on the session bus: the tray item, its menu, and the notifications it sends."""

import re
import subprocess
import threading
import time
from dataclasses import dataclass

import gvariant

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"


def call(destination, path, method, *arguments):
    """Calls a method and returns what it answers, as a tuple."""
    command = ["gdbus", "call", "--session", "--timeout", "5", "--dest", destination, "--object-path", path, "--method", method]
    done = subprocess.run([*command, "--", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise BusError(done.stderr.strip())
    return gvariant.parse(done.stdout)


class BusError(Exception):
    """Nobody answered, or with an error."""


def get(destination, path, interface, name):
    """A property's value."""
    return call(destination, path, "org.freedesktop.DBus.Properties.Get", interface, name)[0]


def process_of(name):
    """The process that owns a name."""
    return call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.GetConnectionUnixProcessID", name)[0]


class TrayItem:
    """The tray item that one process has registered with the panel."""

    def __init__(self, name, path):
        self.name, self.path = name, path

    @staticmethod
    def of(process):
        """The item of a process, or None while there is none."""
        items = get(WATCHER, "/StatusNotifierWatcher", WATCHER, "RegisteredStatusNotifierItems")
        for item in items:
            name, slash, path = item.partition("/")
            try:
                if process_of(name) == process:
                    return TrayItem(name, slash + path)
            except BusError:
                continue  # it went away meanwhile
        return None

    def icon(self):
        """The file of the picture that the panel is told to show."""
        return get(self.name, self.path, ITEM, "IconName")

    def menu(self):
        """The menu's items from top to bottom, those of a submenu after it."""
        path = get(self.name, self.path, ITEM, "Menu")
        _revision, root = call(self.name, path, f"{MENU}.GetLayout", "0", "-1", "[]")
        return list(_items(self.name, path, root))

    def find(self, label):
        """The item whose label begins so."""
        for item in self.menu():
            if item.label.startswith(label):
                return item
        raise LookupError(f"no item begins with {label!r} in {[item.label for item in self.menu()]}")

    def ticked(self):
        """The labels of the items that are ticked."""
        return [item.label for item in self.menu() if item.ticked]


@dataclass
class Item:
    """One item of a menu."""

    bus_name: str
    path: str
    number: int
    label: str
    enabled: bool
    checkable: bool
    ticked: bool
    separator: bool

    def click(self):
        """What the panel does when a person clicks it."""
        call(self.bus_name, self.path, f"{MENU}.Event", str(self.number), "clicked", "<0>", str(int(time.time())))


def _items(bus_name, path, node):
    number, properties, children = node
    if number != 0:
        yield Item(
            bus_name,
            path,
            number,
            # A single underscore marks the letter to press; a doubled one is a real one.
            re.sub(r"_(.)", r"\1", properties.get("label", "")),
            properties.get("enabled", True),
            properties.get("toggle-type", "") != "",
            properties.get("toggle-state", 0) == 1,
            properties.get("type") == "separator",
        )
    for child in children:
        yield from _items(bus_name, path, child)


class Notifications:
    """Every notification that any program sends while this is running, as (title, body)."""

    def __init__(self):
        rule = "type='method_call',interface='org.freedesktop.Notifications',member='Notify'"
        self.monitor = subprocess.Popen(["dbus-monitor", "--session", rule], stdout=subprocess.PIPE, text=True)
        self.seen = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        strings = None
        for line in self.monitor.stdout:
            if line.startswith("method call") and "member=Notify" in line:
                strings = []
            elif not line.startswith(" "):
                strings = None
            # The call's own arguments are indented by three; those within its arrays by more.
            elif strings is not None and (match := re.fullmatch(r'   string "(.*)"\n', line)):
                strings.append(match.group(1))
                if len(strings) == 4:  # application, icon, title, body
                    self.seen.append((strings[2], strings[3]))

    def about(self, *words):
        """The notifications in which all these words stand, whatever their case."""
        texts = [(f"{title}\n{body}".lower(), (title, body)) for title, body in list(self.seen)]
        return [both for text, both in texts if all(word.lower() in text for word in words)]

    def close(self):
        """Stops listening."""
        self.monitor.terminate()
        self.monitor.wait()
        self.reader.join()
        self.monitor.stdout.close()

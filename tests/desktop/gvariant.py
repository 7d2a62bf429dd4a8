"""Reads GVariant's text form, which `gdbus call` answers in, into Python values.

Tuples become tuples, arrays lists, dictionaries dicts; a variant is its content; type annotations are read over.
Grammar: https://docs.gtk.org/glib/gvariant-text-format.html
"""

import re

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<type>@[a-z(){}]+\s) | (?P<keyword>(?:byte|int16|uint16|int32|uint32|int64|uint64|handle|double|objectpath|signature)\s)
      | (?P<word>true|false|nothing) | (?P<number>[-+]?(?:0x[0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|inf|nan))
      | (?P<string>b?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")) | (?P<mark>[()\[\]{}<>,:])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def parse(text):
    """The value of a GVariant text. ValueError where it is none."""
    tokens = []
    place = 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            raise ValueError(f"no GVariant at {text[place:place + 40]!r}")
        place = match.end()
        if match.lastgroup not in ("type", "keyword"):
            tokens.append((match.lastgroup, match.group(match.lastgroup)))
    value, rest = _value(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"more than one value in {text!r}")
    return value


def _value(tokens, at):
    kind, text = tokens[at]
    if kind == "word":
        return {"true": True, "false": False, "nothing": None}[text], at + 1
    if kind == "number":
        return (int(text, 0) if re.fullmatch(r"[-+]?(0x[0-9a-fA-F]+|\d+)", text) else float(text)), at + 1
    if kind == "string":
        return _string(text), at + 1
    if text == "<":
        value, at = _value(tokens, at + 1)
        return value, at + 1
    if text == "(":
        values, at = _values(tokens, at + 1, ")")
        return tuple(values), at
    if text == "[":
        return _values(tokens, at + 1, "]")
    if text == "{":
        entries, at = {}, at + 1
        while tokens[at][1] != "}":
            if tokens[at] == ("mark", ","):
                at += 1
                continue
            key, at = _value(tokens, at)
            entries[key], at = _value(tokens, at + 1)
        return entries, at + 1
    raise ValueError(f"{text!r} begins no value")


def _values(tokens, at, end):
    values = []
    while tokens[at] != ("mark", end):
        if tokens[at] == ("mark", ","):
            at += 1
            continue
        value, at = _value(tokens, at)
        values.append(value)
    return values, at + 1


def _string(text):
    def unescape(match):
        letter = match.group(1)
        if letter[0] in "uU":
            return chr(int(letter[1:], 16))
        return _ESCAPES.get(letter, letter)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", unescape, text.removeprefix("b")[1:-1], flags=re.DOTALL)

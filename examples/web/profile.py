#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The function `profile` once more, in Python: the same template, data and page as page.cpp.

usage: profile.py DIRECTORY     payload {"user": "ada"}; result: the page as HTML.
"""
import html
import json
import re
import sys
from pathlib import Path

sys.path.append("/usr/share/tariff/helpers")
sys.path.append(str(Path(__file__).resolve().parent.parent / "helpers"))
import tariff  # noqa: E402

TAG = re.compile(r"{{([#^])(\w+)}}(.*?){{/\2}}|{{(\w+)}}", re.DOTALL)


def render(text, scopes):
    def find(name):
        return next((scope[name] for scope in reversed(scopes)
                     if isinstance(scope, dict) and name in scope), None)

    def one(match):
        kind, name, body, value = match.groups()
        found = find(value or name)
        if value:
            return "" if found is None else html.escape(str(found))
        if kind == "^":
            return "" if found else render(body, scopes)
        items = found if isinstance(found, list) else [found] if found else []
        return "".join(render(body, [*scopes, item]) for item in items)

    return TAG.sub(one, text)


def main(directory):
    template = (directory / "templates" / "profile.html").read_text()
    shop = json.loads((directory / "shop.json").read_text())
    tariff.ready()

    payload = sys.stdin.buffer.read()
    try:
        name = json.loads(payload or b"{}").get("user", "")
    except (ValueError, AttributeError) as error:
        print(f"the payload is not what this page takes: {error}", file=sys.stderr)
        return 2
    known = shop["users"].get(name)
    shop["user"] = {**(known or {"name": name or "guest"}), "id": name, "known": bool(known)}
    print(f"profile-py: page for {name or 'a guest'}", file=sys.stderr)
    sys.stdout.write(render(template, [shop]))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""The checks of `cargo deny check bans licenses sources` that deny.toml asks for, without cargo-deny.

deny.toml stays the only place where the rules are written.
"""

import json
import re
import subprocess
import sys

try:
    import tomllib
except ImportError:
    sys.exit("scripts/audit.py needs Python 3.11 (or install cargo-deny)")


def allowed(expression, names):
    """Whether an SPDX expression can be satisfied from `names`: OR needs one side, AND both."""
    tokens = re.findall(r"\(|\)|[^\s()/]+|/", expression)

    def either(at):
        value, at = both(at)
        while at < len(tokens) and tokens[at] in ("OR", "/"):
            other, at = both(at + 1)
            value = value or other
        return value, at

    def both(at):
        value, at = one(at)
        while at < len(tokens) and tokens[at] == "AND":
            other, at = one(at + 1)
            value = value and other
        return value, at

    def one(at):
        if tokens[at] == "(":
            value, at = either(at + 1)
            return value, at + 1
        name = tokens[at]
        if tokens[at + 1 : at + 2] == ["WITH"]:
            name = f"{name} WITH {tokens[at + 2]}"
            at += 2
        return name in names, at + 1

    value, at = either(0)
    return value and at == len(tokens)


def main():
    with open("deny.toml", "rb") as file:
        deny = tomllib.load(file)
    target = [f"--filter-platform={t}" for t in deny.get("graph", {}).get("targets", [])]
    command = ["cargo", "metadata", "--locked", "--format-version=1", *target]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]

    names = set(deny["licenses"]["allow"])
    exceptions = {e.get("crate", e.get("name")): set(e["allow"]) for e in deny["licenses"].get("exceptions", [])}
    banned = {ban["crate"]: set(ban.get("wrappers", [])) for ban in deny["bans"].get("deny", [])}
    registries = set(deny["sources"]["allow-registry"])

    present = {package["name"] for package in packages}
    wrong = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package["license"]
        permitted = names | exceptions.get(package["name"], set())
        if not licence or not allowed(licence, permitted):
            wrong.append(f"licence of {name} is not allowed: {licence}")
        for dependency in package["dependencies"]:
            banned_name = dependency["name"]
            if banned_name in present and package["name"] not in banned.get(banned_name, {package["name"]}):
                wrong.append(f"{banned_name} is banned, and {name} uses it")
        source = package["source"]
        if source is not None and source.removeprefix("registry+") not in registries:
            wrong.append(f"source of {name} is not allowed: {source}")
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"{len(packages)} packages: licences, bans and sources are as deny.toml says")


main()

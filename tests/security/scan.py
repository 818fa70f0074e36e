"""bandit and semgrep over the house: nothing open, and every rule finds its planted faults.

``make security`` runs it in an environment of its own. A finding of bandit's is settled where ruff,
which has the same rules, is told on that line why it is none (``noqa: S603  no shell, no input``).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULES = Path(__file__).parent / "rules"
SOURCES = ("app.py", "pages", "runmanager")
# To import subprocess is no fault; what is done with it is looked at line by line.
_NOT_ASKED = "B404"
# Lines of bandit's own kind, to see that it looks.
_PLANTED_FOR_BANDIT = {
    "B307": "eval(text)\n",
    "B301": "import pickle\npickle.loads(text)\n",
    "B324": "import hashlib\nhashlib.md5(text)\n",
    "B501": "import requests\nrequests.get(url, verify=False, timeout=1)\n",
    "B602": "import subprocess\nsubprocess.run(text, shell=True)\n",
    "B608": "connection.execute('SELECT * FROM runs WHERE id = ' + text)\n",
}

Finding = tuple[str, str, int]


def bandit(*paths: str, cwd: Path = ROOT) -> set[Finding]:
    """Rule, file and line of what bandit finds and nobody has settled."""
    command = [_tool("bandit"), "-q", "-r", "-f", "json", "-s", _NOT_ASKED, *paths]
    found = json.loads(_run(command, cwd))
    assert not found["errors"], found["errors"]
    return {
        (one["test_id"], one["filename"], one["line_number"])
        for one in found["results"]
        if not _is_settled(cwd / one["filename"], one["line_number"], one["test_id"])
    }


def semgrep(*paths: str, cwd: Path = ROOT) -> set[Finding]:
    """Rule, file and line of what semgrep finds by the house's rules."""
    command = [
        _tool("semgrep"), "scan", "--config", str(RULES / "house.yml"), "--json", "--quiet",
        "--metrics=off", "--disable-version-check", "--no-git-ignore", "--jobs=2", *paths,
    ]  # fmt: skip
    found = json.loads(_run(command, cwd))
    assert not found["errors"], found["errors"]
    return {
        (one["check_id"].rsplit(".", 1)[-1], one["path"], one["start"]["line"])
        for one in found["results"]
    }


def planted_for_semgrep() -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """Rule and line of the planted faults, and of those of them that are found."""
    text = (RULES / "planted" / "faults.txt").read_text(encoding="utf-8")
    wanted = {
        (match[1], number)
        for number, line in enumerate(text.splitlines(), 1)
        if (match := re.search(r"# fault: ([\w-]+)", line))
    }
    with tempfile.TemporaryDirectory() as name:
        # Where a repository begins is what the rules' paths are counted from.
        _run(["git", "init", "-q", name], ROOT)
        folder = Path(name) / "pages"
        folder.mkdir()
        (folder / "faults.py").write_text(text, encoding="utf-8")
        found = semgrep("pages", cwd=Path(name))
    return wanted, {(rule, line) for rule, _path, line in found}


def planted_for_bandit() -> set[str]:
    """Those of bandit's planted faults that it does not find."""
    with tempfile.TemporaryDirectory() as name:
        for rule, text in _PLANTED_FOR_BANDIT.items():
            (Path(name) / f"{rule}.py").write_text(text, encoding="utf-8")
        found = {(rule, Path(path).stem) for rule, path, _line in bandit(".", cwd=Path(name))}
    return {rule for rule in _PLANTED_FOR_BANDIT if (rule, rule) not in found}


def rules() -> set[str]:
    """The ids of the house's rules."""
    return set(re.findall(r"^  - id: ([\w-]+)$", (RULES / "house.yml").read_text(), re.M))


def _is_settled(path: Path, line: int, rule: str) -> bool:
    lines = path.read_text(encoding="utf-8").splitlines()
    # A statement of several lines has its word on one of them.
    near = "\n".join(lines[line - 1 : line + 2])
    return f"S{rule.removeprefix('B')}" in "".join(re.findall(r"noqa: ([^\n]*)", near))


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _run(command: list[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603  our own arguments
    # 1 says that something was found.
    if done.returncode not in {0, 1}:
        sys.exit(f"{command[0]} could not run:\n{done.stderr}")
    return done.stdout


def main() -> int:
    """Print what is open; 1 where anything is, or where a planted fault is not found."""
    opened = sorted(bandit(*SOURCES) | semgrep(*SOURCES))
    wanted, found = planted_for_semgrep()
    missed = sorted(wanted - found) + sorted((rule, 0) for rule in planted_for_bandit())
    without = sorted(rules() - {rule for rule, _line in wanted})
    for rule, path, line in opened:
        print(f"open: {rule} {path}:{line}")
    for rule, line in missed:
        print(f"planted and not found: {rule} line {line}")
    for rule in without:
        print(f"without a planted fault: {rule}")
    planted = len(wanted) + len(_PLANTED_FOR_BANDIT)
    print(f"scan: {len(opened)} open; {planted - len(missed)} of {planted} planted faults found")
    return 1 if opened or missed or without else 0


if __name__ == "__main__":
    sys.exit(main())

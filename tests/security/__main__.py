"""All the attacks, one after the other: ``make security``. It exits 1 where any got through."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import ROOT

PROGRAMS = (
    "anonymous", "ended", "forged", "messages", "outside", "planted_secrets", "values", "texts",
    "guessing", "floods",
)  # fmt: skip


def main() -> None:
    """Run each in a process of its own; the others go on where one has got through."""
    failed = []
    for program in PROGRAMS:
        command = [sys.executable, "-m", f"tests.security.{program}"]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603  our own programs
            failed.append(program)
    sys.stdout.write(f"got through: {', '.join(failed) or 'nothing'}\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""The documents as the tests read them: their text, their code blocks, their headings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.processes import ROOT

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Document:
    """One page; ``name`` is its path in the checkout."""

    name: str

    @property
    def text(self) -> str:
        """All of it."""
        return (ROOT / self.name).read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """What stands outside its code blocks."""
        return _BLOCK.sub("", self.text)

    def blocks(self, language: str, below: str | None = None) -> list[str]:
        """Its code blocks in one language, "" for those without any; those below one heading."""
        text = self.text if below is None else self.section(below)
        return [found for named, found in _BLOCK.findall(text) if named == language]

    def block(self, language: str, holding: str) -> str:
        """The one code block in a language that has this text."""
        (found,) = (block for block in self.blocks(language) if holding in block)
        return found

    @property
    def anchors(self) -> set[str]:
        """The names under which its headings can be linked to."""
        return {
            re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", self.prose, re.M)
        }

    def section(self, heading: str) -> str:
        """What stands below one heading of the second level."""
        return self.text.split(f"\n## {heading}\n")[1].split("\n## ")[0]

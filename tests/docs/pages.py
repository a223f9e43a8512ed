"""The pages of the documentation, the blocks of code on them, and the commands in those.

A block is run as it stands, unless a comment before it says otherwise: `<!-- slow -->` leaves it to
`pytest -m slow`, `<!-- needs: WHAT -->` says what is not here.
"""

import re
import shlex
from pathlib import Path
from typing import Literal, NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md")))
"""Whose blocks are run."""
BESIDE = tuple(
    sorted(
        path.relative_to(ROOT).as_posix()
        for pattern in ("data/**/README.md", "ief_jax/assets/*.md")
        for path in ROOT.glob(pattern)
    )
)
"""Pages beside what they describe; all commands on them need data."""

Mark = Literal["", "slow", "needs"]


class Block(NamedTuple):
    """A block of code.

    Attributes:
      page: path in the repository.
      line: of the block's first line, from 1.
      language: what stands behind the fence; "indented" without one.
      mark: what keeps it from being run.
      text: what is in it.
    """

    page: str
    line: int
    language: str
    mark: Mark
    text: str


class Command(NamedTuple):
    """A command of a block: where, and its words."""

    place: str
    words: tuple[str, ...]


def read(page: str) -> str:
    """A page's text."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, text: str | None = None) -> list[Block]:
    """All blocks of code of a page, in order."""
    found: list[Block] = []
    mark: Mark = ""
    language: str | None = None
    inside: list[str] = []
    start, before = 0, ""
    for number, line in enumerate((read(page) if text is None else text).splitlines(), 1):
        fence = re.match(r"```(\w*)", line)
        if language is not None and language != "indented":
            if fence:
                found.append(Block(page, start, language, mark, "\n".join(inside) + "\n"))
                mark, language = "", None
            else:
                inside.append(line)
            continue
        if language == "indented" and not line.startswith("    ") and line.strip():
            found.append(Block(page, start, language, "needs", "\n".join(inside).strip() + "\n"))
            language = None
        comment = re.fullmatch(r"<!-- (slow|needs): ?.* -->|<!-- (slow) -->", line.strip())
        if comment:
            mark = "slow" if (comment[2] or comment[1]) == "slow" else "needs"
        elif fence:
            start, language, inside = number + 1, fence[1], []
        elif line.startswith("    ") and (language == "indented" or not before.strip()):
            if language is None:
                start, language, inside = number, "indented", []
            inside.append(line[4:])
        elif language == "indented":
            inside.append("")
        elif line.strip():
            mark = ""
        before = line
    if language == "indented":
        found.append(Block(page, start, language, "needs", "\n".join(inside).strip() + "\n"))
    return found


def commands(block: Block) -> list[Command]:
    """The commands of a block of shell, those that `&&` joins one by one."""
    joined = block.text.replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        # Square brackets round what may be left out
        words = shlex.split(line.replace(" [-", " -").replace("] ", " "), comments=True)
        words = [word.removesuffix("]") if word.startswith("-") else word for word in words]
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            found.append(Command(f"{block.page}:{block.line}", tuple(words[:end])))
            words = words[end + 1 :]
    return found

"""Brings the line numbers in the README's table of equations up to date.

python -m docs.equations
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
LINK = re.compile(r"\[`(?P<name>[\w.]+)`\]\((?P<path>[\w./]+\.py)#L(?P<line>\d+)\)")
"""A function's name, qualified within ief_jax, and where it is."""


def main() -> None:
    """Rewrites the README."""
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")


def updated(text: str) -> str:
    """The text with the line of each linked function as it is now.

    Raises:
      ValueError: a linked file has no such function.
    """
    return LINK.sub(_at_its_line, text)


def _at_its_line(link: re.Match[str]) -> str:
    name, path = link["name"], link["path"]
    module = path.removeprefix("ief_jax/").removesuffix(".py").replace("/", ".")
    nodes: list[ast.stmt] = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    line = 0
    for part in name.removeprefix(f"{module}.").split("."):
        found = [
            n for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == part
        ]
        if not found:
            raise ValueError(f"README.md: {path} has no `{name}`")
        line, nodes = found[0].lineno, found[0].body
    return f"[`{name}`]({path}#L{line})"


if __name__ == "__main__":
    main()

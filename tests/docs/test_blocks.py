"""What the pages show works: blocks are run, and where data is missing their options exist."""

import contextlib
import functools
import importlib.util
import io
import os
import re
import runpy
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import jax
import pytest

from ief_jax import cli
from tests.docs import pages
from tests.docs.pages import BESIDE, PAGES, ROOT, Block, Command

SUBCOMMANDS = {
    ("python", "train.py"): 1,
    ("python", "eval.py"): 1,
    ("ief-jax",): 1,
    ("python", "-m", "data.prepare"): 1,
}
"""Words after the program that choose what it does."""
TOOLS = {"pytest", "ruff", "mypy", "pre-commit", "mkdocs", "srun", "gcloud"}
"""Programs of others."""


def runnable(page: str, marks: set[pages.Mark]) -> list[Block]:
    """A page's blocks of these marks that a shell or Python runs."""
    languages = {"bash", "python"}
    return [b for b in pages.blocks(page) if b.mark in marks and b.language in languages]


def run(blocks: list[Block], folder: Path) -> dict[str, Any]:
    """Runs a page's blocks one after the other, from what looks like a checkout.

    Returns:
      The names that the Python blocks leave behind.
    """
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".") and entry.name not in ("out", "runs"):
            (folder / entry.name).symlink_to(entry)
    names: dict[str, Any] = {}
    for block in blocks:
        if block.language == "bash":
            _shell(block, folder)
        else:
            # Lines as they are on the page, for messages
            program = "\n" * (block.line - 1) + block.text
            with contextlib.chdir(folder), jax.numpy_rank_promotion("allow"):
                exec(compile(program, block.page, "exec"), names)
    return names


def _shell(block: Block, folder: Path) -> None:
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {**os.environ, "PATH": binaries, "PYTHONPATH": str(folder)}
    if block.mark == "slow":
        del settings["JAX_DISABLE_MOST_OPTIMIZATIONS"]  # they compute for longer than they compile
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env=settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{block.page}:{block.line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize(
    "page",
    # The README's are run by test_readme, which looks at what they leave behind as well.
    [page for page in PAGES if runnable(page, {""}) and page != "README.md"],
)
def test_blocks_run(page: str, tmp_path: Path) -> None:
    run(runnable(page, {""}), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page, {"slow"})])
def test_slow_blocks_run(page: str, tmp_path: Path) -> None:
    run(runnable(page, {"", "slow"}), tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_say_what_they_are(page: str) -> None:
    """So that none goes unseen."""
    assert {block.language for block in pages.blocks(page)} <= {"bash", "python", "text"}


def _shown(page: str) -> list[Command]:
    shells = {"bash", "indented"} if page in BESIDE else {"bash"}
    found = [c for b in pages.blocks(page) if b.language in shells for c in pages.commands(b)]
    if page in BESIDE:
        # Indented blocks hold file names and the like as well.
        return [c for c in found if c.words[0] in ("python", "ief-jax", "pip")]
    return found


@pytest.mark.parametrize("page", [page for page in PAGES + BESIDE if _shown(page)])
def test_commands_and_their_options_exist(page: str) -> None:
    for command in _shown(page):
        check(command)


def check(command: Command) -> None:
    """Sees that a program knows the command and the options that are given to it."""
    words = command.words
    if words[0] == "pip":
        _check_extras(command)
        return
    if words[0] in TOOLS:
        return
    count = 3 if words[:2] == ("python", "-m") else 2 if words[0] == "python" else 1
    program = words[:count]
    if program[-1].startswith("docs."):
        # They take no options, not even --help.
        assert importlib.util.find_spec(program[-1]), f"{command.place}: no {program[-1]}"
        assert words == program, f"{command.place}: {program[-1]} takes no options"
        return
    chosen = SUBCOMMANDS.get(program, 0)
    if words[count : count + 1] == ("lgd-dataset",):
        chosen = 2
    text = help_of((*program, *words[count : count + chosen]), command.place)
    for word in words[count + chosen :]:
        option = word.partition("=")[0]
        if option.startswith("--"):
            known = re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text)
            assert known, f"{command.place}: {' '.join(words)}\nno option {option} in\n{text}"


@functools.cache
def help_of(words: tuple[str, ...], place: str) -> str:
    """What a program prints of a command's options; in this process, which is quicker by far."""
    printed = io.StringIO()
    status: object = 0
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # A module may have been imported before it is run.
        warnings.simplefilter("ignore", RuntimeWarning)
        patch.setenv("COLUMNS", "200")
        patch.chdir(ROOT)
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                _run_as_main(words, patch)
        except SystemExit as done:
            status = 0 if done.code is None else done.code
        except ImportError as error:
            status = error
    text = printed.getvalue()
    assert status == 0, f"{place}: {' '.join(words)}: {status}\n{text}"
    return text


def _run_as_main(words: tuple[str, ...], patch: pytest.MonkeyPatch) -> None:
    count = {"python": 2, "ief-jax": 1}[words[0]] + (words[1] == "-m")
    patch.setattr(sys, "argv", [words[count - 1], *words[count:], "--help"])
    if words[0] == "ief-jax":
        sys.exit(cli.main())
    elif words[1] == "-m":
        runpy.run_module(words[2], run_name="__main__")
    else:
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")


def _check_extras(command: Command) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for word in command.words:
        for extras in re.findall(r"^\.\[(.*)\]$", word):
            unknown = set(extras.split(",")) - set(project["optional-dependencies"])
            assert not unknown, f"{command.place}: no extra {unknown}"


PAGE = """\
<!-- needs: LSP -->
```bash
python eval.py ief --dataset lsp \\
    --box truth && pytest   # both
```
Text.
```python
x = 1
```

    ief-jax fit [--skeleton COCO_18] a.json
"""


def test_blocks_are_found() -> None:
    first, second, third = pages.blocks("page", PAGE)
    assert (first.line, first.language, first.mark) == (3, "bash", "needs")
    assert second == Block("page", 8, "python", "", "x = 1\n")
    assert (third.language, third.mark) == ("indented", "needs")
    assert [command.words for command in pages.commands(first)] == [
        ("python", "eval.py", "ief", "--dataset", "lsp", "--box", "truth"),
        ("pytest",),
    ]
    assert pages.commands(third)[0].words == (("ief-jax", "fit", "--skeleton", "COCO_18", "a.json"))


@pytest.mark.parametrize(
    "words",
    [
        "ief-jax fit a.json --outputs out/",
        "ief-jax fits a.json --output out/",
        "python train.py lgd --iteration 3",
        "python -m data.prepares lsp a b",
        "python -m docs.equation",
        "pip install -e .[datas]",
    ],
)
def test_what_does_not_exist_is_noticed(words: str) -> None:
    with pytest.raises(AssertionError):
        check(Command("page:1", tuple(words.split())))

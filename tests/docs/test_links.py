"""Links of the pages lead somewhere: to files, headings, functions, lines."""

import importlib
import re

import pytest

from docs import equations
from tests.docs import pages
from tests.docs.pages import BESIDE, PAGES, ROOT

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _text(page: str) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "`", _FENCED.sub("", pages.read(page)))


def _slug(heading: str) -> str:
    """What a heading's anchor is called, on GitHub and on the site."""
    plain = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).strip().lower()
    return re.sub(r"[^\w -]", "", plain).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES + BESIDE)
def test_relative_links_lead_somewhere(page: str) -> None:
    for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)(#[^)\s]*)?\)", _text(page)):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target}"
        assert path.resolve().is_relative_to(ROOT.resolve()), f"{page}: {target}"
        if anchor and path.suffix == ".md":
            headings = re.findall(r"^#+ (.*)", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor[1:] in map(_slug, headings), f"{page}: {target}{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_references_to_the_api_are_names_of_it(page: str) -> None:
    for name in re.findall(r"\]\[(ief_jax[\w.]*)\]", pages.read(page)):
        parts, found = name.split("."), None
        for end in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:end]))
            except ModuleNotFoundError:
                continue
            for part in parts[end:]:
                found = getattr(found, part)
            break
        assert found is not None, f"{page}: {name}"


EQUATIONS = (
    *("IEF e(y, y_t)", "IEF g(y)", "IEF Eq. 1", "IEF Eq. 2", "IEF Eq. 3", "IEF Eq. 4"),
    *("IEF Algorithm 1", "LGD Eq. 1", "LGD Eq. 3", "LGD Eq. 4", "LGD Algorithm 1"),
)


def test_each_equation_is_one_function_at_its_line() -> None:
    readme = pages.read("README.md")
    rows = re.findall(r"^\| ((?:IEF|LGD) .*) \| (.*) \|$", readme, re.MULTILINE)
    assert [paper[: len(name)] for (paper, _), name in zip(rows, EQUATIONS, strict=True)] == [
        *EQUATIONS
    ]
    for paper, cell in rows:
        assert len(equations.LINK.findall(cell)) == 1, paper
    assert equations.updated(readme) == readme, "run: python -m docs.equations"


def test_a_moved_function_is_found_again() -> None:
    name = "ief.corrections.bounded"
    link = f"[`{name}`](ief_jax/ief/corrections.py#L%d)"
    line = int(equations.LINK.findall(equations.updated(link % 1))[0][2])
    source = (ROOT / "ief_jax/ief/corrections.py").read_text(encoding="utf-8").splitlines()
    assert source[line - 1].startswith("def bounded(")
    with pytest.raises(ValueError, match="no `ief.corrections.bind`"):
        equations.updated(link.replace("bounded", "bind") % 1)

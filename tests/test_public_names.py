"""The public names: what is listed is there, comes late, and is what the type checker sees."""

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import ief_jax
from ief_jax import body, ief, inspector, lgd

ROOT = Path(ief_jax.__file__).parents[1]
PACKAGES = (ief_jax, body, ief, inspector, lgd)


def typed(package: ModuleType) -> dict[str, tuple[str, str]]:
    """(module, attribute) by public name, as the type checker reads them."""
    tree = ast.parse(Path(str(package.__file__)).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and not node.orelse][:1]
    return {
        str(alias.asname): (str(node.module), alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_names_are_those_that_are_typed(package: ModuleType) -> None:
    expected = typed(package)
    assert set(package.__all__) - {"__version__"} == set(expected)
    assert package.__all__ == sorted(package.__all__)
    for name, (module, attribute) in expected.items():
        if module == "ief_jax":
            right = importlib.import_module(f"{module}.{attribute}")
        else:
            right = getattr(importlib.import_module(module), attribute)
        assert getattr(package, name) is right, name
        assert name in dir(package)


def test_modules_are_attributes() -> None:
    for package, name in ((lgd, "gauss_newton"), (ief, "fpc"), (ief_jax, "cli"), (body, "joints")):
        assert getattr(package, name) is importlib.import_module(f"{package.__name__}.{name}")
        assert name in dir(package)
    assert ief_jax.geometry.camera.__name__ == "ief_jax.geometry.camera"
    assert ief_jax.ief.scale_selector.selection.__name__.endswith("scale_selector.selection")


def test_what_is_not_there_is_an_error() -> None:
    for package in (*PACKAGES, ief_jax.geometry):
        with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'fitter'"):
            package.fitter  # noqa: B018
        assert not hasattr(package, "__wrapped__")
    with pytest.raises(ImportError, match="cannot import name 'fitter'"):
        exec("from ief_jax.lgd import fitter")


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ief_jax.__version__ == project["version"]


@pytest.mark.parametrize(
    "statement",
    [
        "import ief_jax; ief_jax.__version__; dir(ief_jax)",
        "from ief_jax import body, formats, geometry, ief, io, lgd, training, viz; dir(lgd)",
        "import ief_jax; ief_jax.lgd.PAPER, ief_jax.ief.PAPER, ief_jax.geometry.skeletons.COCO_18",
        "from ief_jax import checks",
    ],
)
def test_jax_comes_when_it_is_needed(statement: str) -> None:
    code = f"import sys\n{statement}\nsys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    code = f"import sys\n{statement}\nief_jax.refine\nsys.exit('jax' in sys.modules)"
    if statement.startswith("import ief_jax;"):
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 1


def test_the_names_work_together() -> None:
    model = body.fold(body.embedded())
    assert isinstance(model, body.JointModel)
    trained = lgd.load_checkpoint("paper")
    assert isinstance(trained, lgd.Checkpoint) and trained.configuration == lgd.PAPER
    assert isinstance(ief.load_checkpoint("released").configuration, ief.IEFConfig)

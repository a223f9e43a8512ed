"""The wheel: what it holds, what it needs, and that it works where there is no checkout."""

import ast
import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ief_jax.body import joints
from ief_jax.geometry import skeletons
from tests.helpers import tiny

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def required(lines: list[str]) -> set[str]:
    """The names of the distributions that these requirements ask for without an extra, here."""
    requirements = map(Requirement, lines)
    return {
        canonicalize_name(needed.name)
        for needed in requirements
        if needed.marker is None or needed.marker.evaluate({"extra": ""})
    }


def imported_by(file: Path) -> Iterator[str]:
    """The top-level names of the absolute imports of a file, those inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def distributions(files: Iterator[Path]) -> set[str]:
    """The distributions of all third-party packages that the files import."""
    names = {name for file in files for name in imported_by(file)}
    outside = names - sys.stdlib_module_names - {"ief_jax"}
    owners = importlib.metadata.packages_distributions()
    return {canonicalize_name(owner) for name in outside for owner in owners[name]}


def test_dependencies_are_what_the_package_imports() -> None:
    extras = (PROJECT["optional-dependencies"][name] for name in ("video",))
    optional = set[str]().union(*map(required, extras))
    found = distributions((ROOT / "ief_jax").rglob("*.py"))
    # Of jax.export and of JAX's compilation cache, which do not require them
    found |= {"flatbuffers", "zstandard"}
    assert found == required(PROJECT["dependencies"]) | optional


def closure(names: set[str]) -> set[str]:
    """These distributions and all that they require in turn."""
    found: set[str] = set()
    while names:
        found |= names
        names = {
            needed for name in names for needed in required(importlib.metadata.requires(name) or [])
        } - found
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a source distribution as `python -m build` does."""
    folder = tmp_path_factory.mktemp("dist")
    run(ROOT, sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    assert len(list(folder.glob("ief_jax-*.tar.gz"))) == 1
    (path,) = folder.glob("ief_jax-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of a fresh environment: the wheel and what it requires, no more.

    The requirements are links into the running environment, so that nothing is fetched.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in closure(required(PROJECT["dependencies"])):
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}
        for top in tops:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(top))))
    programs = folder / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    run(folder, *pip, "install", "--no-deps", "--no-index", wheel)
    return programs


def run(folder: Path, *command: object) -> str:
    """Runs a command in a folder, without the checkout on the path; returns what it prints."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_holds_the_package_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"ief_jax", f"ief_jax-{PROJECT['version']}.dist-info"}
    tracked = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ief_jax").rglob("*.py")}
    assert tracked == {name for name in names if name.endswith(".py")}
    assert "ief_jax/py.typed" in names


def test_every_module_imports_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    program = """
import importlib, importlib.util, pkgutil, sys
import ief_jax
for module in pkgutil.walk_packages(ief_jax.__path__, "ief_jax."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from ief_jax import ief, lgd
from ief_jax.body import model_files, pose_prior
from ief_jax.ief.scale_selector import checkpoints
model_files.embedded(), pose_prior.embedded()
for name in ("released", "paper", "lifting"):
    lgd.checkpoints.load(name)
ief.checkpoints.load("released"), checkpoints.load("released")
for name in ("experiments", "data", "tests", "benchmarks"):
    assert importlib.util.find_spec(name) is None, name
files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
print(*(file for file in files if file), sep="\\n")
"""
    files = run(tmp_path, installed / "python", "-W", "error", "-c", program).splitlines()
    (package,) = installed.parent.glob("lib/python*/site-packages/ief_jax")
    assert sum(Path(file).is_relative_to(package) for file in files) > 50
    assert not [file for file in files if Path(file).is_relative_to(ROOT)]


def test_help_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    as_module = run(tmp_path, installed / "python", "-m", "ief_jax.cli", "--help")
    assert "{body,keypoints,fit,inspect}" in as_module
    assert as_module == run(tmp_path, installed / "ief-jax", "--help")


def test_fit_with_the_wheel(
    installed: Path, tmp_path: Path, joint_model: joints.JointModel
) -> None:
    rest = jnp.broadcast_to(jnp.eye(3), (24, 3, 3))
    points = np.asarray(joints.positions(joint_model, rest, jnp.zeros(10)))
    seen = (skeletons.selection(skeletons.BODY_25, joint_model.names) @ points)[:, :2]
    person = np.concatenate([seen * [100, -100] + [150, 180], np.full((25, 1), 0.8)], 1)
    people = [{"pose_keypoints_2d": person.reshape(-1).tolist()}]
    (tmp_path / "keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))
    tiny.folder(tmp_path / "tiny", joint_model)
    options = ("--checkpoint", "tiny", "--output", "out", "--meshes", "glb")
    run(tmp_path, installed / "ief-jax", "fit", "keypoints.json", *options)
    with np.load(tmp_path / "out" / "bodies.npz") as bodies:
        assert bodies["poses"].shape == (1, 72)
        assert np.isfinite(bodies["poses"]).all()
    assert list((tmp_path / "out").rglob("*.glb"))

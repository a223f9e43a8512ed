"""The notebooks run as they stand."""

import os
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

NOTEBOOKS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.ipynb"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_notebooks_run(notebook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    path = Path(ROOT / notebook)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    content = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(content, timeout=600, resources=place).execute()
    shown = [out for cell in content.cells for out in cell.get("outputs", [])]
    pages = [out["data"]["text/html"] for out in shown if "text/html" in out.get("data", {})]
    assert pages and all(page.startswith("<iframe srcdoc=") for page in pages)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_notebooks_are_kept_without_their_outputs(notebook: str) -> None:
    nbformat = pytest.importorskip("nbformat")
    content = nbformat.read(ROOT / notebook, as_version=4)
    for cell in content.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None

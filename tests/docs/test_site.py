"""The site is built without a warning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytest.importorskip("mkdocstrings", reason="pip install -e '.[docs]'")
pytest.importorskip("material", reason="pip install -e '.[docs]'")


def test_site_is_built_without_warnings(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    api = (tmp_path / "site/api/lgd/index.html").read_text(encoding="utf-8")
    assert 'id="ief_jax.lgd.fitting.fit"' in api
    # Pages from beside the data, and links to them
    assert (tmp_path / "site/data/lsp/index.html").exists()
    assert 'href="lsp/"' in (tmp_path / "site/data/index.html").read_text(encoding="utf-8")

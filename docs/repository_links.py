"""A hook of MkDocs: pages from outside of docs/, and links from the site to the repository.

READMEs of the data sets and the model cards become pages. A relative link means the same here as in
the repository: to the page that a file is on the site, or else to the file at `repo_url`. Without
that address, the file's path stands beside the words.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = Path(__file__).parent.name
PAGES = ("data/**/README.md", "ief_jax/assets/CHECKPOINTS.md", "ief_jax/assets/SCALE.md")
"""Of the repository; they have the same place on the site."""

_LINK = re.compile(
    r"\[(?P<words>(?:[^\[\]]|\[[^\]]*\])*)\]"
    r"\((?![a-z]+:|#|/)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages from outside of docs/."""
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites links that lead out of docs/."""
    at = page.file.src_uri
    # Where the page is in the repository
    source = posixpath.join(DOCS, at) if (ROOT / DOCS / at).exists() else at

    def rewritten(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["path"]))
        words, anchor = link["words"], link["anchor"] or ""
        page_of = target.removeprefix(f"{DOCS}/")
        if files.get_file_from_path(page_of):
            return f"[{words}]({posixpath.relpath(page_of, posixpath.dirname(at))}{anchor})"
        if (ROOT / target).exists():
            if config.repo_url:
                return f"[{words}]({config.repo_url}/blob/main/{target}{anchor})"
            return f"{words} (`{target}`)"
        # MkDocs will say that it leads nowhere.
        return link[0]

    return _LINK.sub(rewritten, markdown)

"""See inside: what every step of a refinement saw and did, as a page that opens in a browser.

`record` lays open any `correct` of `ief_jax.loop`; `fits` and `corrections` show the traces of LGD
and IEF.
"""

from typing import TYPE_CHECKING

from ief_jax import lazy

if TYPE_CHECKING:
    from ief_jax.inspector.content import Subject as Subject
    from ief_jax.inspector.page import Page as Page
    from ief_jax.inspector.page import read as read_page
    from ief_jax.inspector.recording import Recording as Recording
    from ief_jax.inspector.recording import View as View
    from ief_jax.inspector.recording import record as record

__all__ = ["Page", "Recording", "Subject", "View", "read_page", "record"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(
        __name__,
        __path__,
        {
            "Page": "page.Page",
            "Recording": "recording.Recording",
            "Subject": "content.Subject",
            "View": "recording.View",
            "read_page": "page.read",
            "record": "recording.record",
        },
    )

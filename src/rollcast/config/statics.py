"""Static files with a content hash in their names, ES module imports included."""

from __future__ import annotations

from typing import Final

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

# A relative path behind `from`, `import` or `import(`: how a module of ours names another.
_IMPORT: Final = (
    r"""(?P<matched>(?P<before>\b(?:from|import)\s*\(?\s*)"(?P<url>\.\.?/[^"]+)")""",
    '%(before)s"%(url)s"',
)


class ModuleStaticFilesStorage(ManifestStaticFilesStorage):
    """Rewrites `import … from "./x.js";` as well, in the folders that hold modules.

    Django's own switch for it (`support_js_module_import_aggregation`) looks through every script six times,
    the admin's jQuery included: that was half of a first start.
    """

    patterns = (
        *(pair for pair in ManifestStaticFilesStorage.patterns if pair[0] == "*.css"),
        ("console/*.js", (_IMPORT,)),
        ("livefeed/*.js", (_IMPORT,)),
    )

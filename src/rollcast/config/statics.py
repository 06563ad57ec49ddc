"""Static files with a content hash in their names, ES module imports included."""

from __future__ import annotations

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class ModuleStaticFilesStorage(ManifestStaticFilesStorage):
    """Rewrites `import … from "./x.js";` as well: off by default in Django 5.2."""

    support_js_module_import_aggregation = True

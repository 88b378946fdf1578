"""Fetch what ``happysad publish`` needs while the wheel is built, if npm is there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebRuntime(BuildHookInterface[Any]):
    """Puts onnxruntime-web into the wheel; without npm, the wheel is built without it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch the files, unless they are there."""
        file = Path(self.root, "src", "happysad", "site", "web_runtime.py")
        spec = importlib.util.spec_from_file_location("web_runtime", file)
        assert spec is not None and spec.loader is not None
        runtime = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(runtime)
        if runtime.complete():
            return
        try:
            runtime.fetch()
        except RuntimeError as error:
            print(f"happysad publish will not work: {error}", file=sys.stderr)  # noqa: T201

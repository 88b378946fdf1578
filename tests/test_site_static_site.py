"""The files of a published site, and what happens without onnxruntime-web."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from happysad.errors import UsageError
from happysad.site import static_site, web_runtime
from happysad.site.static_site import page, publish
from hatch_build import WebRuntime
from tests.classifiers import three_class_classifier

ROOT = Path(__file__).parents[1]
NO_RUNTIME = "there is no onnxruntime-web (make runtime)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site with the classifier that ships."""
    if not web_runtime.complete():
        pytest.skip(NO_RUNTIME)
    site = tmp_path_factory.mktemp("new") / "below" / "site"
    size = publish(site, None)
    assert size == sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    return site


def test_a_site_has_the_files_that_its_pages_name(site: Path) -> None:
    files = {file.relative_to(site).as_posix() for file in site.rglob("*") if file.is_file()}
    text = (site / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:src|href)="([^#"][^"]*)"', text)) <= files
    assert "the server" not in text
    for script in (site / "static").glob("*.js"):
        imported = re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8"))
        assert {f"static/{name}" for name in imported} <= files


def test_a_site_is_renewed_and_other_files_stay(site: Path, tmp_path: Path) -> None:
    (site / "CNAME").write_text("happy.example")
    before = (site / "service_worker.js").read_text()
    publish(site, three_class_classifier(tmp_path / "own.onnx"))
    assert (site / "CNAME").exists()
    assert json.loads((site / "v1/model.json").read_text())["name"] == "own"
    # The browser replaces its files when the service worker differs.
    assert (site / "service_worker.js").read_text() != before


def test_a_folder_with_other_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_site, "complete", lambda: True)
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(UsageError, match="must be a new or empty folder, or a site"):
        publish(tmp_path, None)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_the_runtime_the_error_names_the_make_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_site, "complete", lambda: False)
    with pytest.raises(UsageError, match=r"make runtime") as raised:
        publish(tmp_path / "site", None)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "site").exists()


def test_a_wheel_is_built_without_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = Path("src", "happysad", "site", "web_runtime.py")
    (tmp_path / module).parent.mkdir(parents=True)
    shutil.copy(ROOT / module, tmp_path / module)
    monkeypatch.setenv("PATH", "")
    none = cast(Any, None)
    WebRuntime(str(tmp_path), {}, none, none, "", "wheel").initialize("standard", {})
    assert capsys.readouterr().err == (
        "happysad publish will not work: onnxruntime-web needs npm, which is missing: "
        "install Node.js\n"
    )
    assert not (tmp_path / module).with_name("onnxruntime").exists()


def test_the_servers_parts_leave_the_page_and_the_sites_enter() -> None:
    text = "<!-- server -->Teach<!-- /server --><!-- site: Here --> <!-- note -->"
    assert page(text) == "Here <!-- note -->"

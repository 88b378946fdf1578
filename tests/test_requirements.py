"""requirements.txt installs everything for the main job; requirements/ pins all of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINNED = ROOT / "requirements"
SETS = {"predict": (), "train": ("train",), "web": ("web",), "scale": ("scale",), "dev": ("dev",)}

pytestmark = pytest.mark.skipif(not PINNED.exists(), reason="an sdist holds no pinned sets")


def declared(*extras: str) -> set[str]:
    """The packages that happysad depends on, with these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            if inner := re.fullmatch(r"happysad\[(.+)\]", line):
                lines += declared(*inner[1].split(","))
            else:
                lines.append(line)
    return {re.split(r"[\[<>=]", line)[0] for line in lines}


def test_requirements_txt_is_this_checkout_with_training_and_the_page() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if not line.startswith("#")]
    extras = re.fullmatch(r"\.\[(.+)\]", line)
    assert extras
    assert {"train", "web"} <= set(extras[1].split(","))
    assert {"tensorflow", "keras", "fastapi"} <= declared(*extras[1].split(","))


def test_each_extra_has_its_file() -> None:
    assert {file.stem for file in PINNED.iterdir()} == set(SETS)


@pytest.mark.parametrize("name", SETS)
def test_all_of_it_is_pinned_with_hashes_and_without_addresses(name: str) -> None:
    text = (PINNED / f"{name}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
    names = {re.split(r"[\[=]", block)[0] for block in blocks}
    assert declared(*SETS[name]) <= names
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    assert "://" not in text

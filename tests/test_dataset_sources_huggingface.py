"""Datasets of the Hugging Face hub, with a stand-in for the package datasets.

The stand-in implements the classes and methods that the import uses, as in datasets 5.2.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from happysad.dataset.sources import import_data
from happysad.errors import ImportDataError, MissingExtraError, UsageError
from tests.pictures import encoded, photo

PNG, JPEG = encoded(photo(1)), encoded(photo(2), "jpeg")


class Image:
    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


class ClassLabel:
    def __init__(self, *names: str) -> None:
        self.names = list(names)


class Value:
    pass


class List:
    pass


class Rows:
    """A Dataset: rows, and a feature for each column."""

    def __init__(self, features: dict[str, Any], rows: list[tuple[Any, ...]]) -> None:
        self.features = features
        self._rows = [dict(zip(features, row, strict=True)) for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Any:
        for row in self._rows:
            for name, feature in self.features.items():
                assert not (isinstance(feature, Image) and feature.decode), "decoded for nothing"
                assert name in row
            yield row

    def select_columns(self, names: list[str]) -> Rows:
        features = {name: self.features[name] for name in names}
        return Rows(features, [tuple(row[name] for name in names) for row in self._rows])

    def cast_column(self, column: str, feature: Any) -> Rows:
        return Rows(self.features | {column: feature}, [tuple(row.values()) for row in self._rows])

    def unique(self, column: str) -> list[Any]:
        assert not isinstance(self.features[column], List)  # pyarrow cannot
        return list(dict.fromkeys(row[column] for row in self._rows))


class Hub:
    """What load_dataset returns or raises; it records the names requested."""

    def __init__(self) -> None:
        self.gives: dict[str, Rows] | Exception = {}
        self.asked: list[str] = []

    def load_dataset(self, name: str) -> dict[str, Rows]:
        self.asked.append(name)
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub()
    module = ModuleType("datasets")
    for name, value in {
        "Image": Image,
        "ClassLabel": ClassLabel,
        "Value": Value,
        "List": List,
        "load_dataset": hub.load_dataset,
    }.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "datasets", module)
    return hub


def inside(data: bytes) -> dict[str, Any]:
    """Return a picture whose bytes are in the dataset."""
    return {"bytes": data, "path": "x.anything"}


def names(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.glob("*/*"))


EMOTIONS = ClassLabel("angry", "happy", "sad")


def test_numbered_classes_of_all_splits(hub: Hub, tmp_path: Path) -> None:
    beside = tmp_path / "cache.jpg"
    beside.write_bytes(JPEG)
    features = {"id": Value(), "image": Image(), "label": EMOTIONS}
    train = [
        (0, inside(PNG), 0),
        (1, inside(PNG), 1),
        (2, {"bytes": None, "path": str(beside)}, 2),
        (3, inside(PNG), None),
        (4, inside(PNG), -1),  # what the hub writes for a test's hidden class
        (5, None, 1),
        (6, inside(b"no picture"), 1),
    ]
    hub.gives = {"train": Rows(features, train), "test": Rows(features, [(7, inside(JPEG), 1)])}
    imported = import_data("hf:some-one/Faces.v2", tmp_path / "out")
    assert hub.asked == ["some-one/Faces.v2"]
    assert names(tmp_path / "out") == [
        "happy/some-one-Faces.v2-test-000000.jpg",
        "happy/some-one-Faces.v2-train-000001.png",
        "sad/some-one-Faces.v2-train-000002.jpg",
    ]
    assert (tmp_path / "out/sad/some-one-Faces.v2-train-000002.jpg").read_bytes() == JPEG
    assert imported.counts == {"happy": 2, "sad": 1}
    assert imported.notes == (
        "left out: 2 files that are no pictures",
        "left out: 2 files without a class",
        "left out: 1 file of other classes: angry 1 (choose classes with --map THEIRS=OURS)",
    )
    again = import_data("hf:some-one/Faces.v2", tmp_path / "out")
    assert (again.counts, again.notes[-1]) == (imported.counts, "there already: 3 files")


COLUMNS = [
    ({"image": Image(), "label": EMOTIONS}, [1, 2], {}),
    ({"image": Image(), "anything": EMOTIONS}, [1, 2], {}),
    ({"img": Image(), "Emotion": Value()}, ["Joy", "sadness"], {}),
    ({"img": Image(), "label": Value()}, [3, 4], {"3": "happy", "4": "sad"}),
    ({"img": Image(), "label": EMOTIONS}, [1, 2], {"1": "happy", "sad": "sad"}),
    # a column of the type ClassLabel precedes a column that is only named like one
    ({"img": Image(), "class": EMOTIONS, "label": Value()}, [1, 2], {}),
    ({"img": Image(), "identity": ClassLabel("a"), "emotion": EMOTIONS}, [1, 2], {}),
]


@pytest.mark.parametrize(("features", "labels", "mapping"), COLUMNS)
def test_the_columns_are_found(
    hub: Hub,
    tmp_path: Path,
    features: dict[str, Any],
    labels: list[Any],
    mapping: dict[str, str],
) -> None:
    known = {"identity": 0, "label": 0} if len(features) == 3 else {}
    rows = [
        tuple(
            inside(PNG) if isinstance(f, Image) else known.get(name, label)
            for name, f in features.items()
        )
        for label in labels
    ]
    hub.gives = {"train": Rows(features, rows)}
    imported = import_data("hf:a/b", tmp_path / "out", mapping=mapping)
    assert names(tmp_path / "out") == ["happy/a-b-train-000000.png", "sad/a-b-train-000001.png"]
    assert imported.notes == ()


REFUSED = [
    ({"label": EMOTIONS}, "exactly one column of pictures, not 0; its columns: label"),
    (
        {"a": Image(), "b": Image(), "label": EMOTIONS},
        "exactly one column of pictures, not 2",
    ),
    ({"a": Image()}, r"exactly one column of classes, not 0; its columns: a \(Image\)"),
    ({"a": Image(), "name": Value()}, "exactly one column of classes, not 0"),
    ({"a": Image(), "labels": List()}, "exactly one column of classes, not 0"),
    (
        {"a": Image(), "label": EMOTIONS, "class": EMOTIONS},
        "exactly one column of classes, not 2",
    ),
    (
        {"a": Image(), "label": Value(), "emotion": Value()},
        "exactly one column of classes, not 2",
    ),
]


@pytest.mark.parametrize(("features", "message"), REFUSED)
def test_columns_that_leave_a_doubt(
    hub: Hub, tmp_path: Path, features: dict[str, Any], message: str
) -> None:
    hub.gives = {"train": Rows(features, [])}
    with pytest.raises(ImportDataError, match=f"hf:a/b: needs {message}"):
        import_data("hf:a/b", tmp_path / "out")


def test_other_emotions_become_neither(hub: Hub, tmp_path: Path) -> None:
    features = {"image": Image(), "label": ClassLabel("contempt", "Fear", "happy", "sad")}
    rows = [(inside(PNG), number) for number in (0, 1, 1, 2, 3)]
    hub.gives = {"train": Rows(features, rows)}
    imported = import_data("hf:anna/faces", tmp_path / "out", neither=True)
    assert imported.counts == {"happy": 1, "neither": 3, "sad": 1}
    assert imported.sources["neither"] == {"Fear": 2, "contempt": 1}


def test_classes_that_are_not_there(hub: Hub, tmp_path: Path) -> None:
    rows = {"image": Image(), "label": EMOTIONS}, [(inside(PNG), 0)]
    hub.gives = {"train": Rows(*rows)}
    for wrong in ("joy", "3"):
        with pytest.raises(UsageError, match=f"--map {wrong}=happy: hf:a/b has no class of that n"):
            import_data("hf:a/b", tmp_path / "out", mapping={wrong: "happy"})
    with pytest.raises(ImportDataError, match=r"hf:a/b: no picture of a wanted class; left out: 1"):
        import_data("hf:a/b", tmp_path / "out")
    # an index into the list of values is not a name
    strings = {"image": Image(), "label": Value()}, [(inside(PNG), "joy"), (inside(PNG), "grief")]
    hub.gives = {"train": Rows(*strings)}
    with pytest.raises(UsageError, match=r"--map 0=happy: .*; its classes: grief, joy"):
        import_data("hf:a/b", tmp_path / "out", mapping={"0": "happy"})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError("Dataset 'a/b' doesn't exist on the Hub"), "Dataset 'a/b' doesn't ex"),
        (
            ValueError("Config name is missing.\nPlease pick one:\n\t['x']"),
            r"missing\. Please pick",
        ),
        (RuntimeError(), "RuntimeError$"),
        (OSError("x" * 5000), "x{300}$"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(
    hub: Hub, tmp_path: Path, error: Exception, message: str
) -> None:
    hub.gives = error
    with pytest.raises(ImportDataError, match=f"hf:a/b: cannot be loaded: .*{message}") as caught:
        import_data("hf:a/b", tmp_path / "out")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a", "a/", "/b", "a/b/c", "../b", "a/..", "./b", "a b/c"])
def test_what_is_no_name(hub: Hub, tmp_path: Path, name: str) -> None:
    with pytest.raises(
        UsageError, match=f"a Hugging Face dataset must be hf:OWNER/NAME, not hf:{name}$"
    ):
        import_data(f"hf:{name}", tmp_path / "out")
    assert hub.asked == []


def test_without_the_extra_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r'pip install "happysad\[huggingface\]"'):
        import_data("hf:a/b", tmp_path / "out")

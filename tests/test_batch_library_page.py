from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from happysad.batch.library import predict
from happysad.batch.library_page import _columns, _Least, write_library_page
from happysad.colours import colours_of
from happysad.paths import expand
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.pictures import save


def test_the_page_holds_what_the_results_say(tmp_path: Path) -> None:
    import numpy as np

    photos = tmp_path / "photos"
    for number in range(20):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2021:{1 + number % 3:02}:01 10:00:00"
        pixels = np.full((8, 8, 3), 10 * number, np.uint8)
        save(photos / f"p{number:02}.jpg", pixels, exif=exif.tobytes())
    (photos / "<b>.txt").write_text("no picture")
    model = brightness_classifier(tmp_path / "m.onnx", middle=95, unsure=(0.3, 0.7))
    predict(expand(str(photos)), tmp_path / "out", sources=[str(photos)], model=model)
    (photos / "p00.jpg").unlink()
    page = write_library_page(tmp_path / "out").read_text(encoding="utf-8")
    assert "<b>9</b>happy" in page
    assert "<b>2</b>unsure" in page
    assert "<b>9</b>sad" in page
    assert "<b>1</b>unreadable" in page
    assert "&lt;b&gt;.txt: not an image" in page
    happiest = page[page.index("The most happy") : page.index("The most sad")]
    assert happiest.index("p00.jpg") < happiest.index("p01.jpg") < happiest.index("p08.jpg")
    assert "p09.jpg" not in happiest  # unsure
    assert happiest.count("data:image/jpeg") == 8
    assert "cannot be shown: no such file or directory" in happiest
    least_sure = page[page.index("The least sure") : page.index("When they were taken")]
    assert least_sure.index("p09.jpg") < least_sure.index("p08.jpg")
    assert "p00.jpg" not in least_sure
    assert "20 of 21 photos have a date" in page
    assert [name in page for name in ("2021-01", "2021-03", "2021-04")] == [True, True, False]
    assert "http://" not in page
    assert "https://" not in page


def test_the_page_of_three_classes(tmp_path: Path) -> None:
    import numpy as np

    photos = tmp_path / "photos"
    for value in (100, 126, 127, 128, 156):
        save(photos / f"{value}.png", np.full((8, 8, 3), value, np.uint8))
    model = three_class_classifier(tmp_path / "m.onnx")
    predict(expand(str(photos)), tmp_path / "out", sources=[str(photos)], model=model)
    page = write_library_page(tmp_path / "out").read_text(encoding="utf-8")
    sheets = [page.index(f"The most {name}") for name in ("happy", "neither", "sad")]
    happy, neither, sad = (
        page[start:end]
        for start, end in zip(sheets, [*sheets[1:], page.index("The least sure")], strict=True)
    )
    assert "happy 86 %<br>" in happy
    assert neither.index("/128.png") < neither.index("/127.png") < neither.index("/126.png")
    assert "sad 86 %<br>" in sad
    figures = page[page.index('class="figures"') : sheets[0]]
    for name, count in (("happy", 1), ("neither", 3), ("sad", 1), ("unsure", 0)):
        assert f"<b>{count}</b>{name}" in figures
    for place, colour in enumerate(colours_of(("happy", "neither", "sad")).values()):
        assert f".class-{place} {{ background: {colour.hex}; }}" in page


def test_the_timeline_has_no_gaps_and_turns_to_years() -> None:
    order = ["happy", "sad"]
    months = _columns({(2020, 12): Counter(happy=2, sad=2), (2021, 2): Counter(sad=1)}, order)
    assert [column["name"] for column in months] == ["2020-12", "2021-01", "2021-02"]
    assert [column["heights"] for column in months] == [[50, 50], [0, 0], [0, 25]]
    years = _columns({(2010, 5): Counter(happy=1), (2020, 1): Counter(sad=1)}, order)
    assert [column["name"] for column in years] == [str(year) for year in range(2010, 2021)]
    assert _columns({}, order) == []


@pytest.mark.parametrize("keys", [[3.0, 1.0, 2.0] * 10, [1.0] * 30, [5.0]])
def test_the_least_are_kept_the_first_among_equals(keys: list[float]) -> None:
    least = _Least()
    for number, key in enumerate(keys):
        least.add(key, number, {"n": number})
    by_key = sorted(range(len(keys)), key=lambda number: (keys[number], number))
    assert [row["n"] for row in least.rows()] == by_key[:12]

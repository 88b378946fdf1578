"""Run cases that people reported of similar tools on an older happysad and on this one.

    python benchmarks/cases.py CASES --before TREE --write FILE
    python benchmarks/cases.py CASES --before TREE --attacks --write FILE

CASES is a folder with one folder of inputs for each case, named as in `_CASES`; TREE is a checkout
of the older version. Each command runs in a copy of its folder, with the packages of this Python;
the table has its exit status and the last line that it printed. In the commands, $P is a free port.
The script needs a C compiler, curl and GNU time.

With --attacks, the commands are those of `_ATTACKS`, in copies of the folder attack, and the table
also has the seconds and the peak memory of the largest process.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

from happysad.files import write_text

_ROOT = Path(__file__).parents[1]
# Seconds that a command may take.
_LIMIT = 240
_SHOWN = 160
_SERVE = "happysad serve --no-open --port $P >/dev/null 2>&1 & sleep 30; "


@dataclass(frozen=True)
class _Case:
    """A case: its folder, the command that is run there, and the test of its kind."""

    folder: str
    command: str
    test: str


_CASES = (
    _Case(
        "01-train-and-test-folders",
        "happysad check fer",
        "test_dataset_class_folders.py::test_splits_are_no_classes",
    ),
    _Case(
        "02-heic-avif-jxl-not-an-image",
        "happysad predict IMG_0001.HEIC photo.avif photo.jp2 renamed.jpg",
        "test_picture_types.py::test_heic_is_read_upright_whatever_its_name",
    ),
    _Case(
        "03-film-without-stated-length",
        "happysad video browser-recording.webm",
        "test_video_commands.py::test_a_film_without_a_stated_length",
    ),
    _Case(
        "04-cores-of-the-host",
        "python make.py; PYTHONPATH=as_on_64_cores:$PYTHONPATH env time -f '%M KB at most' "
        "happysad check set >/dev/null",
        "test_parallel.py::test_only_cores_that_the_process_may_use_count",
    ),
    _Case(
        "06-phones-of-50-108-200-megapixels",
        "python make.py; happysad predict 50mp.jpg 108mp.jpg 200mp.jpg",
        "test_photo.py::test_a_jpeg_is_reduced_until_it_fits_into_memory",
    ),
    _Case(
        "07-linked-folders-skipped-silently",
        "for link in classes/* photos/2022; do test -L $link || ln -sfn $(cat $link) $link; done; "
        "happysad predict photos --csv | wc -l; happysad import classes out",
        "test_folder_walk.py::test_linked_class_folders",
    ),
    _Case(
        "08-nas-thumbnails-counted-as-photos",
        "happysad predict nas 2>/dev/null",
        "test_folder_walk.py::test_every_command_leaves_out_the_same",
    ),
    _Case(
        "10-jpeg-without-end-marker",
        "happysad predict *.jpg",
        "test_picture_types.py::test_a_jpeg_whose_pixels_are_whole_is_read",
    ),
    _Case(
        "12-classifier-cannot-be-pickled",
        'python -c "import copy; from happysad import Classifier; '
        "made = getattr(Classifier, 'default', Classifier)(); "
        "print(copy.deepcopy(made).predict('face.png').label)\"",
        "test_classifier.py::test_a_copy_and_a_pickle_need_no_file",
    ),
    _Case(
        "13-old-keras-json",
        "KERAS_HOME=$PWD/theano happysad train photos --model compact --epochs 1 --out run",
        "test_keras_backend.py::test_keras_json_of_a_backend_of_old_is_not_asked",
    ),
    _Case(
        "14-results-on-a-share-without-locks",
        "gcc -shared -fPIC -o shim.so shim.c -ldl; mkdir share; SHARE=$PWD/share LOCKERR=37 "
        "LD_PRELOAD=$PWD/shim.so happysad predict photos --out share/results",
        "test_locks.py::test_a_file_system_without_locks_is_named",
    ),
    _Case(
        "16-pillow-13-against-gradio",
        "grep -o 'pillow>=[^\"]*' $TREE/pyproject.toml | head -1",
        "test_decoding_cost.py::test_what_costs_too_much_is_refused_before_it_is_read",
    ),
    _Case(
        "18-health-check-by-head",
        _SERVE + "curl -sI -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:$P/healthz; kill %1",
        "test_web_security.py::test_head_is_answered_where_get_is",
    ),
    _Case(
        "19-page-under-a-path",
        _SERVE + "curl -s http://127.0.0.1:$P/ | grep -o '[^\"]*static/main.js'; kill %1",
        "test_web_security.py::test_the_page_works_below_any_path",
    ),
    _Case(
        "20-sort-into-where-links-are-not-allowed",
        "gcc -shared -fPIC -o nolinks.so nolinks.c; happysad predict photos --out results; "
        "LD_PRELOAD=$PWD/nolinks.so happysad report results --sort-into sorted",
        "test_batch_sorting.py::test_links_that_are_not_allowed_are_refused_before_the_first_photo",
    ),
    _Case(
        "22-faces-in-panoramas",
        "test -e $TREE/src/happysad/dataset/drawn.py || "
        "sed -i 's/dataset.drawn /dataset.drawn_faces /; s/[.]default()/()/' repro.py; "
        "python repro.py",
        "test_photo.py::test_a_small_face_in_a_panorama_is_found_beside_a_large_one",
    ),
)

_WEAK = "happysad predict crowd-289.jpg --model "
_IN_VAIN = "test_model_file.py::test_a_network_is_tried_before_it_is_used"
_LINEAR = "test_decoding_cost.py::test_the_check_itself_takes_few_steps"
_OUTSIDE = "test_moves.py::test_a_list_of_somebody_else_reaches_nothing_outside"
_ONE_LINE = "test_dataset_sources_download.py::test_what_does_not_come_is_one_line"
_ATTACKS = (
    _Case("attack", "happysad predict ff-run-60k.jpg", _LINEAR),
    _Case("attack", "happysad predict erased-flash-60k.jpg", _LINEAR),
    _Case(
        "attack",
        "python -c \"open('a.jpg', 'wb').write(b'\\xff\\xd8' * 16_500_000)\"; "
        "happysad predict a.jpg",
        _LINEAR,
    ),
    _Case(
        "attack",
        "mkdir crowd; for n in $(seq 8); do cp crowd-289.jpg crowd/$n.jpg; done; "
        "happysad predict crowd",
        "test_classifier.py::test_the_network_never_gets_more_rows_than_a_batch",
    ),
    _Case(
        "attack",
        f"timeout -s KILL 60 {_WEAK}loop.onnx",
        "test_model_file.py::test_a_network_that_never_ends_is_ended",
    ),
    *(
        _Case("attack", f"{_WEAK}{name}.onnx", _IN_VAIN)
        for name in ("out_nan", "no_p_sad", "scalar_out")
    ),
    *(
        _Case(
            "attack",
            f"{_WEAK}{name}.onnx",
            "test_model_file.py::test_an_onnx_of_someone_else_is_refused",
        )
        for name in ("meta_size_float", "meta_nested", "lab_trav")
    ),
    _Case(
        "attack",
        "mkdir q home; echo hello > q/payload; "
        'sed "s:/home/someone:$PWD:" hostile-quarantine.csv > q/quarantine.csv; '
        "happysad check --restore q; find home -name .bashrc",
        _OUTSIDE,
    ),
    _Case(
        "attack",
        "mkdir -p s home/.ssh; printf hello > s/payload; "
        'sed "s:/home/someone:$PWD:" hostile-sorted-1.csv > s/sorted-1.csv; '
        "happysad report --undo s; find home -name authorized_keys",
        _OUTSIDE,
    ),
    _Case(
        "attack",
        "mkdir photos; cp crowd-289.jpg photos; echo mine > victim; "
        "python sqlite-superjournal/superjournal.py results $PWD/victim; "
        "happysad predict photos --out results; ls victim",
        "test_locks.py::test_nothing_in_the_folder_is_read",
    ),
    _Case(
        "attack",
        "mkdir photos; cp crowd-289.jpg photos; happysad predict photos --out results; "
        "for part in results/photos/*.parquet; do cp parquet-bomb.parquet $part; done; "
        "ulimit -v 9000000; happysad report results",
        "test_batch_results.py::test_a_small_part_of_gigabytes_is_refused",
    ),
    *(
        _Case(
            "attack",
            f"touch good.zip; python badserver.py $P & sleep 2; "
            f"happysad import http://127.0.0.1:$P/{path} photos; s=$?; kill %1; exit $s",
            _ONE_LINE,
        )
        for path in ("cl_huge_digits", "redir_bad")
    ),
    _Case(
        "attack",
        _SERVE + "python ws-fragments-dos.py $P $! ws frag0; kill %1",
        "test_web_limits.py::test_a_message_of_too_many_fragments_is_ended",
    ),
)


def main() -> None:
    """Run the cases, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path, help="the folder of the cases")
    parser.add_argument("--before", type=Path, required=True, help="a checkout of another version")
    parser.add_argument(
        "--attacks", action="store_true", help="run the attacks, with seconds and memory"
    )
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    lines = ["| case | command | before | now | test |", "|---|---|---|---|---|"]
    for case in _ATTACKS if chosen.attacks else _CASES:
        before, now = (
            _run(case, chosen.cases, tree, measured=chosen.attacks)
            for tree in (chosen.before, _ROOT)
        )
        command = case.command.removeprefix(_SERVE).replace("|", "\\|")
        lines.append(f"| {case.folder} | `{command}` | {before} | {now} | `{case.test}` |")
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _run(case: _Case, cases: Path, tree: Path, *, measured: bool) -> str:
    """Return the exit status of a case's command and the last line that it printed.

    Args:
        case: the case.
        cases: the folder of the cases.
        tree: a checkout.
        measured: whether to return the seconds and the peak memory, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve() / "case"
        shutil.copytree(cases / case.folder, place, symlinks=True)
        _command(place.parent / "happysad", "-m happysad")
        _command(place.parent / "python", "")
        variables = {
            "PATH": f"{place.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(tree.resolve() / "src"),
            "TREE": str(tree.resolve()),
            "P": str(_free_port()),
        }
        process = subprocess.Popen(
            ["env", "time", "-q", "-o", "../usage", "-f", "%e %M", "bash", "-c", case.command],
            cwd=place,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return f"no end within {_LIMIT} s"
        words = [line.strip() for line in printed.splitlines() if line.strip()] or [""]
        trace = "a traceback: " if "Traceback (most recent" in printed else ""
        last = re.sub(r"\s+", " ", words[-1].replace(f"{place}/", "").replace(str(tree), ""))
        shown = textwrap.shorten(trace + last, _SHOWN, placeholder=" …").replace("|", "\\|")
        seconds, kilobytes = map(float, Path(folder, "usage").read_text().split())
        usage = f" ({seconds:.1f} s, {kilobytes / 1000:,.0f} MB)" if measured else ""
        return f"{process.returncode}: {shown}{usage}"


def _command(file: Path, arguments: str) -> None:
    """Write a command that runs this Python."""
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
    file.chmod(0o700)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    main()

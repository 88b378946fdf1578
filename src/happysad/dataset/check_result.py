"""The settings and the result of a check."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from happysad.dataset.duplicates import RADIUS
from happysad.dataset.findings import FINDINGS, find
from happysad.dataset.manifest import SPLITS, Manifest
from happysad.errors import UsageError, counted
from happysad.folder_walk import LeftOut
from happysad.label_review import SUSPECTS, read_suspects

__all__ = ["CheckCounts", "CheckResult", "CheckSettings", "default_folder"]

# The maximum value of `CheckSettings.radius`.
_MAX_RADIUS = 16
# The number of files of a finding that `CheckResult.examples` names.
_NAMED = 3
_SUSPECTED = "labels that are probably wrong"


def default_folder(data: Path) -> Path:
    """Return the default output folder of a check: NAME-check in the current folder."""
    return Path(f"{data.resolve().name}-check")


@dataclass(frozen=True)
class CheckSettings:
    """The settings of a check."""

    classes: tuple[str, ...] | None = None
    """The names of two or three class folders; None for all class folders."""
    fractions: tuple[float, float, float] = (0.7, 0.2, 0.1)
    """The shares of train, val and test; their sum is 1."""
    radius: int = RADIUS
    """The maximum number of bits, of 64, in which the perceptual hashes of near-duplicates differ.
    -1: no search for near-duplicates; only `groups` applies."""
    groups: Path | None = None
    """A CSV with the columns path and group: all photos of one group, such as a person, stay in
    one split. Paths are relative to the data folder."""
    quality: bool = True
    """Whether to look for blurry, dark and otherwise odd photos."""
    use_splits: bool = False
    """Whether the data folder has folders of splits, such as train and test, which are used."""
    allow_missing: bool = False
    """Whether `groups` may name files that do not exist."""

    def __post_init__(self) -> None:
        if self.classes is not None and not 2 <= len(set(self.classes)) == len(self.classes) <= 3:
            raise UsageError(
                "classes must be the names of two or three different folders, not "
                f"{', '.join(self.classes)}"
            )
        positive = len(self.fractions) == len(SPLITS) and all(0 < f < 1 for f in self.fractions)
        if not positive or abs(sum(self.fractions) - 1) > 1e-6:
            raise UsageError(
                "fractions of train, val and test must be three numbers above 0 with the sum 1, "
                f"not {self.fractions}"
            )
        if not -1 <= self.radius <= _MAX_RADIUS:
            raise UsageError(
                f"radius must be from 0 to {_MAX_RADIUS} bits, or -1, not {self.radius}"
            )
        if self.radius < 0 and self.groups is None:
            raise UsageError("radius -1 needs groups; nothing else would keep photos together")


@dataclass(frozen=True)
class CheckCounts:
    """Numbers of files, photos and groups."""

    files: int
    """All files in the class folders."""
    readable: int
    """Files that are pictures and large enough."""
    used: int
    """Photos to train, validate and test with."""
    left_out: int
    groups: int
    """Groups among the used photos."""
    near_duplicate_pairs: int
    """Pairs of near-duplicates among the readable photos, exact duplicates included."""
    unknown_paths: int
    """Paths in the list of groups for which there is no file in the data folder."""
    beside: Mapping[str, int]
    """Files and folders that systems keep beside photos, by their kind; they have no rows."""
    findings: Mapping[str, int]
    """The number of photos with each finding, by its key, in the order of `findings.FINDINGS`."""
    suspects: int | None = None
    """The number of used photos whose label is probably wrong; None if nothing looked for them."""
    kept: int = 0
    """The number of photos whose label a decision confirms."""
    relabelled: int = 0
    """The number of photos whose label a decision changes."""
    labelled: int = 0
    """The number of used photos outside of the data folder, labelled in a review."""

    @property
    def decisions(self) -> str:
        """The used decisions as a line; "" without any."""
        left_out = self.findings["decided"]
        words = []
        if self.kept or self.relabelled or left_out:
            words.append(
                f"decisions on labels: {self.kept:,} kept, {self.relabelled:,} changed, "
                f"{counted(left_out, 'photo')} left out"
            )
        if self.labelled:
            words.append(f"{counted(self.labelled, 'photo')} labelled in a review, for training")
        return "; ".join(words)


@dataclass(frozen=True, repr=False)
class CheckResult:
    """The result of a check."""

    manifest: Manifest
    settings: CheckSettings
    counts: CheckCounts
    folder: Path
    """The folder with manifest.csv and report.html."""

    @property
    def page(self) -> Path:
        """The page with the findings."""
        return self.folder / "report.html"

    @property
    def review(self) -> str:
        """The command that goes on with the labels that are probably wrong; "" without any."""
        if not self.counts.suspects:
            return ""
        data = self.manifest.root
        words = ["happysad", "review", str(data)]
        if self.folder != default_folder(data):
            words += ["--check-folder", str(self.folder)]
        return shlex.join(words)

    @property
    def left_out(self) -> dict[str, int]:
        """The number of files with each finding that leaves them out, by its title."""
        counts = self.counts.findings
        return {
            one.title: counts[one.key] for one in FINDINGS if one.leaves_out and counts[one.key]
        }

    @property
    def photos(self) -> dict[str, dict[str, int]]:
        """The number of used photos of each class, by split."""
        labels = {split: self.manifest.of(split)["label"] for split in SPLITS}
        return {
            split: {name: int((of_split == name).sum()) for name in self.manifest.classes}
            for split, of_split in labels.items()
        }

    @property
    def examples(self) -> list[str]:
        """The first files of each finding, and whether they are left out: a line for each."""
        lines = []
        for finding, rows in zip(FINDINGS, find(self.manifest.table).values(), strict=True):
            if paths := rows["path"].tolist():
                use = "left out of training" if finding.leaves_out else "noted"
                lines.append(f"{finding.title.lower()}, {use}: {_first(paths)}")
        if self.counts.suspects:
            suspects = read_suspects(self.folder / SUSPECTS)
            named = [f"{one.path} ({one.suggested}?)" for one in suspects]
            lines.append(f"{_SUSPECTED}, used until you decide: {_first(named)}")
        return lines

    def __repr__(self) -> str:
        """Return one line with the main counts."""
        counts = self.counts
        return f"CheckResult({counts.files} files, {counts.used} used, page={str(self.page)!r})"

    def __str__(self) -> str:
        """Return the findings and the split as lines of text."""
        counts, manifest = self.counts, self.manifest
        titles = {finding.key: finding.title.lower() for finding in FINDINGS}
        numbers = {
            "files": counts.files,
            "readable": counts.readable,
            "left out": counts.left_out,
            "pairs of near-duplicates": counts.near_duplicate_pairs,
            "paths in the list of groups that are not files here": counts.unknown_paths,
            **{titles[key]: count for key, count in counts.findings.items()},
            _SUSPECTED: counts.suspects or 0,
        }
        width = max(10, *(len(name) + 2 for name in manifest.classes))
        lines = [f"{count:>8,}  {name}" for name, count in numbers.items() if count]
        lines += ["", f"{'':>8}" + "".join(f"{name:>{width}}" for name in manifest.classes)]
        for split, by_class in self.photos.items():
            lines.append(f"{split:>8}" + "".join(f"{n:>{width},}" for n in by_class.values()))
        lines.append(f"{counts.used:,} photos are used, in {counts.groups:,} groups")
        lines += [counts.decisions] if counts.decisions else []
        lines += [LeftOut(counts.beside).line] if counts.beside else []
        return "\n".join([*lines, f"report: {self.page}"])


def _first(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more

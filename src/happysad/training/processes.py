"""Training in several processes, one on each machine: each learns from its part of every batch.

Keras on JAX shares the work (`keras.distribution.DataParallel`): every process has the whole
network, the gradient is the mean over the whole batch, and so all processes take the same step.
What each has in memory stays the same, so each can do the rest of the training by itself: only the
process of index 0 writes the run's folder, the others write into temporary folders. A process meets
the others once its photos are decoded, since JAX's messages between CPUs wait for 30 seconds at
most.

`Alone` is the twin for a training in one process: it shares nothing and waits for nobody.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from happysad.errors import ConfigError, MissingExtraError, RunError, UsageError
from happysad.keras_backend import without_native_stderr
from happysad.run import Run
from happysad.training import checkpoints

if TYPE_CHECKING:
    import keras

    from happysad.training.config import TrainConfig
    from happysad.training.learner_base import Learner

__all__ = ["VARIABLES", "Alone", "Member", "Process", "Share", "this"]

#: The environment variables that Keras names for this: the address of process 0 with a port, the
#: number of processes, and the index of this one, from 0.
VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)

# Seconds that a process waits for the others to check and decode their photos.
_PATIENCE = 24 * 3600


@dataclass(frozen=True)
class Share:
    """This process's part of each batch."""

    index: int
    """The index of the process, from 0."""
    count: int
    """The number of processes."""
    devices: int
    """The number of devices that they have together; a batch divides by it."""


class Process(ABC):
    """This process of a training."""

    index: int

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's folder and evaluates the classifier."""
        return self.index == 0

    @abstractmethod
    @contextmanager
    def folders(self, run: Run, check_folder: Path) -> Iterator[tuple[Run, Path]]:
        """Yield the new run and the check's folder in which this process writes.

        Args:
            run: the run of all processes.
            check_folder: the check's folder of all processes.
        """

    @abstractmethod
    @contextmanager
    def resumed(self, run: Run) -> Iterator[Run]:
        """Yield the run in which this process goes on.

        Args:
            run: the run of all processes.
        """

    @abstractmethod
    def meet(self, config: TrainConfig, **facts: str) -> None:
        """Wait for the other processes, and compare what must be the same in all of them.

        Args:
            config: the settings, resolved.
            facts: texts that must be equal, by the name that an error calls them.

        Raises:
            UsageError: several processes cannot share this work.
            RunError: another process differs, cannot be reached, or was lost.
        """

    @abstractmethod
    def learn(self, learner: Learner, model: keras.Model, run: Run) -> None:
        """Let a network learn, together with the other processes.

        Args:
            learner: teaches it.
            model: as `Learner.build` returns it; it has learned afterwards.
            run: the run, with a checkpoint.

        Raises:
            ConfigError: the batch does not divide by the devices of all processes.
            RunError: another process was lost.
        """


class Alone(Process):
    """The only process of a training."""

    index = 0

    @contextmanager
    def folders(self, run: Run, check_folder: Path) -> Iterator[tuple[Run, Path]]:
        """Yield the given folders."""
        yield run, check_folder

    @contextmanager
    def resumed(self, run: Run) -> Iterator[Run]:
        """Yield the given run."""
        yield run

    def meet(self, config: TrainConfig, **facts: str) -> None:
        """Do nothing."""

    def learn(self, learner: Learner, model: keras.Model, run: Run) -> None:
        """Let the network learn in this process."""
        learner.learn(model, run, None)


class Member(Process):
    """One of several processes that train together."""

    def __init__(self, address: str, count: int, index: int) -> None:
        """Describe this process.

        Args:
            address: where process 0 is reached: host:port.
            count: the number of processes.
            index: the index of this process, from 0.
        """
        self.address = address
        self.count = count
        self.index = index

    @contextmanager
    def folders(self, run: Run, check_folder: Path) -> Iterator[tuple[Run, Path]]:
        """Yield the given folders to the leading process, and temporary ones to the others.

        The manifest of an earlier check is copied into the temporary folder.
        """
        if self.leads:
            yield run, check_folder
            return
        with TemporaryDirectory(prefix="happysad-") as folder:
            own, checked = Run(Path(folder, "run")), Path(folder, "check")
            if (check_folder / "manifest.csv").is_file():
                checked.mkdir()
                shutil.copy(check_folder / "manifest.csv", checked)
            yield own, checked

    @contextmanager
    def resumed(self, run: Run) -> Iterator[Run]:
        """Yield the given run to the leading process, and temporary copies to the others."""
        if self.leads:
            yield run
            return
        with TemporaryDirectory(prefix="happysad-") as folder:
            own = Run(Path(folder, "run"))
            own.folder.mkdir()
            for file in (run.config, run.manifest):
                if file.is_file():
                    shutil.copy(file, own.folder)
            shutil.copytree(run.checkpoints, own.checkpoints)
            yield own

    def meet(self, config: TrainConfig, **facts: str) -> None:
        """Join the others; nothing of JAX may have been used before."""
        if not config.learns_by_steps:
            raise UsageError(
                "training in several processes is for networks that learn by steps, but whole "
                "photos with faces are learned at once; use one process, or choose --faces given "
                "or a --model"
            )
        self.join()
        self.agree(**facts)

    def join(self) -> None:
        """Wait until all processes have come.

        Raises:
            RunError: process 0 cannot be reached, or not all have come within a day.
        """
        import jax

        # Otherwise JAX catches SIGTERM, and the process goes on.
        jax.config.update("jax_enable_preemption_service", False)
        # Otherwise JAX aborts the others when one is lost, before they can report it.
        jax.config.update("jax_enable_recoverability", True)
        try:
            with without_native_stderr():
                jax.distributed.initialize(
                    self.address, self.count, self.index, initialization_timeout=_PATIENCE
                )
        except RuntimeError as error:  # JAX's own errors are of this class
            raise RunError(
                f"process {self.index} cannot meet the others at {self.address}: "
                f"{_first_line(error)}"
            ) from error

    def agree(self, **facts: str) -> None:
        """Check that all processes have the same facts.

        Args:
            facts: texts that must be equal, by the name that an error calls them.

        Raises:
            RunError: in every process, where one differs from process 0.
        """
        from jax.experimental import multihost_utils

        for name, text in facts.items():
            digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
            with _in_touch():
                digests = multihost_utils.process_allgather(digest)
            others = np.flatnonzero((digests != digests[0]).any(axis=-1))
            if others.size:
                raise RunError(
                    f"process {others[0]} has other {name} than process 0; all must have the same"
                )

    def learn(self, learner: Learner, model: keras.Model, run: Run) -> None:
        """Let a copy of the network learn from this process's part of each batch."""
        self.agree(weights=checkpoints.digest(checkpoints.latest(run.checkpoints)))
        with self._together(learner.config.batch_size) as share:
            shared = learner.build(pretrained=False)
            learner.learn(shared, run, share)
            learned = shared.get_weights()
        model.set_weights(learned)

    def part(self) -> None:
        """Leave the others; process 0, through which they are in touch, stays until it ends."""
        import jax

        self.agree(end="")
        if not self.leads:
            jax.distributed.shutdown()

    @contextmanager
    def _together(self, batch_size: int) -> Iterator[Share]:
        """Share among all processes what is built and fitted in the block; part at its end."""
        import jax
        import keras

        devices = jax.device_count()
        if batch_size % devices or devices != self.count * jax.local_device_count():
            raise ConfigError(
                f"batch_size must be a multiple of the {devices} devices of all processes, which "
                f"must have the same number each, not {batch_size}"
            )
        with _in_touch(), keras.distribution.DataParallel(auto_shard_dataset=False).scope():
            yield Share(jax.process_index(), jax.process_count(), devices)
        self.part()


def this() -> Process:
    """Return this process, as the environment describes it.

    Raises:
        UsageError: only some of `VARIABLES` are set, one is no number or out of range, or Keras
            does not run on JAX.
        MissingExtraError: JAX is not installed.
    """
    address, count, index = (os.environ.get(name, "") for name in VARIABLES)
    if not (address or count or index):
        return Alone()
    if not (":" in address and count.isdecimal() and index.isdecimal() and int(index) < int(count)):
        raise UsageError(
            f"{', '.join(VARIABLES)} must be host:port, a number and a number below it, "
            f"not {address!r}, {count!r}, {index!r}"
        )
    if find_spec("jax") is None:
        raise MissingExtraError("training in several processes", "jax")
    import keras

    if keras.backend.backend() != "jax":
        raise UsageError(
            f"training in several processes needs KERAS_BACKEND=jax, not {keras.backend.backend()}"
        )
    return Member(address.split(",")[0], int(count), int(index))


@contextmanager
def _in_touch() -> Iterator[None]:
    """Turn the loss of another process into an error of one line."""
    import jax

    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)  # Gloo, which sends between CPUs, greets on standard output
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if isinstance(error, ValueError) and "Gloo" not in str(error):
            raise
        raise RunError(
            "another of the processes that train together was lost; --resume in all of them goes "
            f"on from the last checkpoint ({_first_line(error)})"
        ) from error
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

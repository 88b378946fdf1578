"""Training in several processes, one on each machine: each trains on its part of every batch.

Keras on JAX shares the work (`keras.distribution.DataParallel`): every process has the whole
network, the gradient is the mean over the whole batch, and so all processes take the same step.
Since their networks stay identical, each process can do the rest of the training by itself: only
process 0 writes the run's folder, and the others write into temporary folders. A process joins the
others only after decoding its photos, because JAX's messages between CPUs time out after 30
seconds.

`Alone` has the same interface for a training in one process.
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
from happysad.keras_backend import choose_backend, without_native_stderr
from happysad.run import Run
from happysad.training import checkpoints

if TYPE_CHECKING:
    import keras

    from happysad.training.config import TrainConfig
    from happysad.training.learner_base import Learner

__all__ = ["VARIABLES", "Alone", "Member", "Process", "Share", "this"]

#: Keras's environment variables for this: the address of process 0 with a port, the number of
#: processes, and the index of this one, from 0.
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
    """The number of devices of all processes; the size of a batch is a multiple of it."""


class Process(ABC):
    """One process of a training."""

    index: int

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's folder and evaluates the classifier."""
        return self.index == 0

    @abstractmethod
    @contextmanager
    def folders(self, run: Run, check_folder: Path) -> Iterator[tuple[Run, Path]]:
        """Yield the new run and the check's folder that this process writes.

        Args:
            run: the run of all processes.
            check_folder: the check's folder of all processes.
        """

    @abstractmethod
    @contextmanager
    def resumed(self, run: Run) -> Iterator[Run]:
        """Yield the run that this process continues.

        Args:
            run: the run of all processes.
        """

    @abstractmethod
    def meet(self, config: TrainConfig, **facts: str) -> None:
        """Wait for the other processes, and compare what must be the same in all of them.

        Args:
            config: the settings, resolved.
            facts: texts that must be equal in all processes, by their names in errors.

        Raises:
            UsageError: several processes cannot share this work.
            RunError: another process differs, cannot be reached, or was lost.
        """

    @abstractmethod
    def learn(self, learner: Learner, model: keras.Model, run: Run) -> None:
        """Train a network, together with the other processes.

        Args:
            learner: the learner that trains it.
            model: the network, as `Learner.build` returns it; trained in place.
            run: the run, with a checkpoint.

        Raises:
            ConfigError: the batch size is not a multiple of the number of devices.
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
        """Train the network in this process."""
        learner.learn(model, run, None)


class Member(Process):
    """One of several processes that train together."""

    def __init__(self, address: str, count: int, index: int) -> None:
        """Describe this process.

        Args:
            address: the address of process 0, host:port.
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
        """Join the others; JAX must not have been used before."""
        if not config.learns_by_steps:
            raise UsageError(
                "only networks trained by gradient steps can be trained in several processes; "
                "the model face with --faces find is not trained so: use one process, "
                "--faces given or another --model"
            )
        self.join()
        self.agree(**facts)

    def join(self) -> None:
        """Wait until all processes have joined.

        Raises:
            RunError: process 0 cannot be reached, or not all have joined within a day.
        """
        import jax

        # Otherwise JAX catches SIGTERM, and the process does not end.
        jax.config.update("jax_enable_preemption_service", False)
        # Otherwise, when one process is lost, JAX aborts the others before they can report it.
        jax.config.update("jax_enable_recoverability", True)
        try:
            with without_native_stderr():
                jax.distributed.initialize(
                    self.address, self.count, self.index, initialization_timeout=_PATIENCE
                )
        except RuntimeError as error:  # JAX's own errors are of this class
            raise RunError(
                f"process {self.index} cannot join the others at {self.address}: "
                f"{_first_line(error)}"
            ) from error

    def agree(self, **facts: str) -> None:
        """Check that all processes have the same facts.

        Args:
            facts: texts that must be equal in all processes, by their names in errors.

        Raises:
            RunError: a process differs from process 0; every process raises it.
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
        """Train a copy of the network on this process's part of each batch."""
        self.agree(weights=checkpoints.digest(checkpoints.latest(run.checkpoints)))
        with self._together(learner.config.batch_size) as share:
            shared = learner.build(pretrained=False)
            learner.learn(shared, run, share)
            learned = shared.get_weights()
        model.set_weights(learned)

    def part(self) -> None:
        """Leave the others; process 0, which coordinates them, stays connected until it ends."""
        import jax

        self.agree(end="")
        if not self.leads:
            jax.distributed.shutdown()

    @contextmanager
    def _together(self, batch_size: int) -> Iterator[Share]:
        """Share the networks built and fitted in the block with all processes; part at its end."""
        import jax
        import keras

        devices = jax.device_count()
        if batch_size % devices or devices != self.count * jax.local_device_count():
            raise ConfigError(
                f"batch_size must be a multiple of {devices}, the number of devices of all "
                f"processes (the same number in each), not {batch_size}"
            )
        with _in_touch(), keras.distribution.DataParallel(auto_shard_dataset=False).scope():
            yield Share(jax.process_index(), jax.process_count(), devices)
        self.part()


def this() -> Process:
    """Return this process, as the environment describes it.

    Raises:
        UsageError: only some of `VARIABLES` are set, one is not a number or out of range, or Keras
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
    choose_backend()
    import keras

    if keras.backend.backend() != "jax":
        raise UsageError(
            f"training in several processes needs KERAS_BACKEND=jax, not {keras.backend.backend()}"
        )
    return Member(address.split(",")[0], int(count), int(index))


@contextmanager
def _in_touch() -> Iterator[None]:
    """Turn JAX's exception about the loss of another process into an error of one line."""
    import jax

    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)  # Gloo, which connects CPUs, prints a greeting to standard output
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if isinstance(error, ValueError) and "Gloo" not in str(error):
            raise
        raise RunError(
            "another process of this training was lost; --resume in all of them continues from "
            f"the last checkpoint ({_first_line(error)})"
        ) from error
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

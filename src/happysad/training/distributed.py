"""Train in several processes, one a machine: each learns from its part of every batch.

Keras on JAX does it (`keras.distribution.DataParallel`): every process has the whole network, the
gradient is the mean over all of a batch, and so all make the same step. What each has in its
memory stays the same, so each can do all the rest by itself: only the one of index 0 has the run's
folder, the others a temporary one. A process meets the others when its photos are decoded, since
JAX's messages between CPUs wait for 30 seconds at most.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from happysad.errors import ConfigError, MissingExtraError, RunError, UsageError
from happysad.training.backend import without_native_stderr

__all__ = ["VARIABLES", "Process", "Share", "share", "this"]

#: The environment variables that Keras names for this: the address of process 0 with a port, the
#: number of processes, and which of them, from 0, this one is.
VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)

# How long a process waits for the others to check and decode their photos, in seconds.
_PATIENCE = 24 * 3600


@dataclass(frozen=True)
class Share:
    """Which part of each batch this process feeds."""

    index: int
    """Which process, from 0."""
    count: int
    """How many processes there are."""
    devices: int
    """How many devices they have together; a batch divides by it."""


@dataclass(frozen=True)
class Process:
    """This process, one of those that train together."""

    address: str
    """Where process 0 is to be reached: host:port."""
    count: int
    index: int

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes the run's folder, and judges."""
        return self.index == 0

    @contextmanager
    def aside(self, run: Path, check_out: Path | None = None) -> Iterator[tuple[Path, Path]]:
        """Give folders for a run and a check in which a process that does not lead may write.

        What a resumed training or another check goes on from is copied; the folders go at the end.
        """
        with TemporaryDirectory(prefix="happysad-") as folder:
            own, checked = Path(folder, "run"), Path(folder, "check")
            if check_out is None:
                own.mkdir()
                for name in ("config.toml", "manifest.csv"):
                    if (run / name).is_file():
                        shutil.copy(run / name, own)
                shutil.copytree(run / "checkpoints", own / "checkpoints")
            elif (check_out / "manifest.csv").is_file():
                checked.mkdir()
                shutil.copy(check_out / "manifest.csv", checked)
            yield own, checked

    def join(self) -> None:
        """Wait for the others; nothing of JAX may have been used before.

        Raises:
            RunError: process 0 is not to be reached, or not all have come in a day.
        """
        import jax

        # Else JAX takes note of SIGTERM, and the process goes on.
        jax.config.update("jax_enable_preemption_service", False)
        # Else where one is lost JAX aborts the others, before they can say so in a line.
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
        """See that all processes begin alike.

        Args:
            facts: what must be the same in all of them, by the name that an error calls it.

        Raises:
            RunError: in every process, where one has anything else than process 0.
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

    @contextmanager
    def together(self, batch_size: int) -> Iterator[None]:
        """Share among all processes what is built and fitted inside; part at the end.

        Process 0, through which the others are in touch, is there until it ends.

        Raises:
            ConfigError: the batch does not divide by the devices, or these by the processes.
            RunError: another process was lost.
        """
        import jax
        import keras

        devices = jax.device_count()
        if batch_size % devices or devices != self.count * jax.local_device_count():
            raise ConfigError(
                f"batch_size must be a multiple of the {devices} devices of all processes, which "
                f"must have the same number each, not {batch_size}"
            )
        with _in_touch(), keras.distribution.DataParallel(auto_shard_dataset=False).scope():
            yield
        self.agree(end="")
        if not self.leads:
            jax.distributed.shutdown()


def this() -> Process | None:
    """Read from the environment which of several processes this is; None where it is alone.

    Raises:
        UsageError: only some of `VARIABLES` are set, one is no number or out of range, or Keras is
            not on JAX.
        MissingExtraError: JAX is not installed.
    """
    address, count, index = (os.environ.get(name, "") for name in VARIABLES)
    if not (address or count or index):
        return None
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
    return Process(address.split(",")[0], int(count), int(index))


def share() -> Share | None:
    """Give this process's part inside of `Process.together`; None elsewhere."""
    import keras

    if keras.backend.backend() != "jax" or keras.distribution.distribution() is None:
        return None
    import jax

    return Share(jax.process_index(), jax.process_count(), jax.device_count())


@contextmanager
def _in_touch() -> Iterator[None]:
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
            "another of the processes that train together was lost; what is checkpointed can be "
            f"gone on with by --resume in all of them ({_first_line(error)})"
        ) from error
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

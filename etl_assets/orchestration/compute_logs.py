"""Where Dagster keeps what steps print: in its instance's folder, as its own class does.

Named in the repository's dagster.yaml.
"""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData


class ComputeLogs(LocalComputeLogManager):
    """Dagster's own, whose helper processes Ctrl-C does not reach; takes no config.

    They copy what a step prints to the terminal and end with the step. A terminal sends Ctrl-C to
    all of a command's processes: a helper in Python would print a traceback of its own.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing to configure in YAML."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, object]
    ) -> "ComputeLogs":
        """The logs of an instance that is registered next."""
        del config_value
        return cls("", inst_data=inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Where Dagster keeps them by default."""
        super().register_instance(instance)
        self._base_dir = instance.storage_directory()

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """See `ComputeLogManager.capture_logs`."""
        with ExitStack() as captured:
            # Processes that are started now have it blocked for all of their time.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                context = captured.enter_context(super().capture_logs(log_key))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield context

"""The log of a run on the console. What Dagster keeps in its event log is not decided here."""

import dagster as dg

# Of a run whose configuration names the console, but no level: Dagster's own default prints every
# event of every check of every day. Where the configuration names no console, Dagster takes a
# logger of its own, and `python_logs` of `dagster.yaml` sets the level.
CONSOLE = dg.configured(
    dg.colored_console_logger, config_schema={"log_level": dg.Field(str, default_value="INFO")}
)(lambda config: config)
"""For every job: one that is made of ops does not take the code location's loggers."""

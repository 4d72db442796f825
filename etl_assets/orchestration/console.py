"""The log of a run on the console. What Dagster keeps in its event log is not decided here."""

import dagster as dg

# Dagster's own default prints every event of every check of every day.
CONSOLE = dg.configured(
    dg.colored_console_logger, config_schema={"log_level": dg.Field(str, default_value="INFO")}
)(lambda config: config)
"""For every job: one that is made of ops does not take the code location's loggers."""

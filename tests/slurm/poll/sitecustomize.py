"""Tests only: the plugin asks after its jobs each 2 s instead of backing off to 3 minutes."""

import sys

if any(argument.endswith("snakemake") for argument in sys.orig_argv[:3]):
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    RemoteExecutor.next_seconds_between_status_checks = property(
        lambda self: 2.0, lambda self, value: None
    )

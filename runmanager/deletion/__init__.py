"""Deleting runs with every trace: plan, execute, receipt."""

from runmanager.deletion.execution import execute
from runmanager.deletion.plan import MAX_RUNS, plan_deletion
from runmanager.deletion.reasons import STILL_RUNNING

__all__ = ["MAX_RUNS", "STILL_RUNNING", "execute", "plan_deletion"]

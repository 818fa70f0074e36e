"""Deleting runs with every trace: plan, execute, receipt."""

from runmanager.deletion.execution import DeletionWork
from runmanager.deletion.kind import DELETION
from runmanager.deletion.plan import MAX_RUNS, plan_deletion
from runmanager.deletion.reasons import STILL_RUNNING

__all__ = ["DELETION", "MAX_RUNS", "STILL_RUNNING", "DeletionWork", "plan_deletion"]

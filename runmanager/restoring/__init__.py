"""Putting deleted runs back: plan, execute, receipt; and ending what they are put back from."""

from runmanager.restoring.execution import RestoreWork
from runmanager.restoring.kind import PURGE, RESTORE
from runmanager.restoring.lacks import undo_lacks
from runmanager.restoring.planning import plan_restore
from runmanager.restoring.purging import PurgeWork

__all__ = ["PURGE", "RESTORE", "PurgeWork", "RestoreWork", "plan_restore", "undo_lacks"]

"""The one door that pages and API go through: RunManager, and its subjects.

Every call takes the actor and asks the database, in the call's own transaction, whether they are
still an admin. Each raises NotAdminError if not, and DatabaseError where the database is away, too
slow or refuses.
"""

from runmanager.service.run_manager import RunManager

__all__ = ["RunManager"]

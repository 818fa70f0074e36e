"""Run Manager's own small database: a SQLite file, or a PostgreSQL for several instances.

Never a table in the host's. ``sessions``, ``throttles``, ``preferences``, ``operations`` with their
``plans`` and ``leases``, and ``files`` are what is asked of it.
"""

from runmanager.store.database import Store
from runmanager.store.identity import HostIdentity, read_identity

__all__ = ["HostIdentity", "Store", "read_identity"]

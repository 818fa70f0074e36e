"""The guard before the dashboard: sign-in page, sessions, single sign-on, headers."""

from runmanager.entrance.guard import Entrance, Guard

__all__ = ["Entrance", "Guard"]

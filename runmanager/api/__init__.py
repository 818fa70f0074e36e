"""The JSON API: parse, ask the service, answer. The only room that knows HTTP."""

from runmanager.api.application import create_api

__all__ = ["create_api"]

"""Receipts as documents: JSON to keep and to read by programs, HTML to hand over and to print."""

from runmanager.receipts.document import POLICY, html_of
from runmanager.receipts.lines import json_of, read_receipt

__all__ = ["POLICY", "html_of", "json_of", "read_receipt"]

"""Errors of the local environment.

TenbinError
└── LocalError                something on this machine is in the way; the message says what and what to do
    ├── ToolchainError        a tool cannot be found, fetched or built
    └── PartError             a process of an environment does not start or does not get ready
"""

from __future__ import annotations

from tenbin_spec.problems import TenbinError


class LocalError(TenbinError):
    """Something on this machine is in the way; the message is for the person at the keyboard."""


class ToolchainError(LocalError):
    """A tool cannot be found, fetched or built."""


class PartError(LocalError):
    """A process of an environment does not start or does not get ready."""

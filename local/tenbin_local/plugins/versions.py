"""Versions of the official plugins that the stand-ins follow; apart from them, since importing those is slow."""

LANGUAGE_HOST = "3.250.0"
"""Of pulumi-language-python."""

KUBERNETES = "4.34.2"
"""Of pulumi-resource-kubernetes."""

AWS = "7.51.1"
"""Of pulumi-resource-aws."""

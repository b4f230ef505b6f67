"""The Kubernetes cluster: one that exists, or one on EKS that the stack builds."""

from __future__ import annotations

from typing import Annotated

from tenbin_spec.quantities import Text

Owner = Annotated[str, Text(r"[\w.:/=+@ -]{1,64}", "who pays, as a bill shows it", "ml-platform")]
"""Who pays: the value of a tag of every resource of a cloud."""

ClusterName = Annotated[
    str,
    Text(
        "[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "a name of at most 63 letters, digits, dashes and underscores", "tenbin-prod"
    ),
]
"""Name of an EKS cluster, short enough for the label of a node."""

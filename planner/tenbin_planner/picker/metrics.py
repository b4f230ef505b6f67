"""What the picker measures about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prometheus_client

if TYPE_CHECKING:
    from collections.abc import Mapping


class Metrics:
    """The picker's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self._endpoints = prometheus_client.Gauge(
            "tenbin_picker_endpoints", "Engines that may get requests", ["service"], registry=self.registry
        )
        self.gateways = prometheus_client.Gauge(
            "tenbin_picker_gateways", "Gateways that are connected", registry=self.registry
        )
        self.responses = prometheus_client.Counter(
            "tenbin_picker_responses", "Lists of endpoints sent to gateways", registry=self.registry
        )
        self.refusals = prometheus_client.Counter(
            "tenbin_picker_refusals", "Lists of endpoints that gateways refused", registry=self.registry
        )
        self.watch_failures = prometheus_client.Counter(
            "tenbin_picker_watch_failures", "Times that pods had to be listed anew", registry=self.registry
        )

    def set_endpoints(self, by_service: Mapping[str, int]) -> None:
        """Set the number of endpoints of every service; one that is gone is no longer told."""
        self._endpoints.clear()
        for service, count in by_service.items():
            self._endpoints.labels(service=service).set(count)

    def page(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return prometheus_client.generate_latest(self.registry)

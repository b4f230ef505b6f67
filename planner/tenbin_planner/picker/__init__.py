"""The endpoint picker. In this version it tells the gateways which engines may get requests; Envoy chooses among them.

Read `endpoints` (which pods are endpoints), then `subscription` (one gateway's stream); both are pure. `pod_watch` and
`discovery` connect them to the API server and to the gateways, `process` runs all of it.

Any number of pickers run side by side without shared state: each follows the pods, and equal content has equal
versions.
"""

from tenbin_planner.picker.process import PickerSettings, run

__all__ = ["PickerSettings", "run"]

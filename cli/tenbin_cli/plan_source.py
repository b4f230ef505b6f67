"""Where a plan comes from: a live planner, or a file of plans that a back-test wrote."""

from __future__ import annotations

import pathlib

import httpx
import pydantic
from tenbin_local.environment import inspection, layout
from tenbin_local.errors import LocalError
from tenbin_spec import contract
from tenbin_spec.plan import PlanView
from tenbin_spec.problems import TenbinError

TIMEOUT_S = 5.0
_PORT = contract.PORT_PLANNER_HTTP
_ELSEWHERE = (
    f"the planner of another cluster is named with --planner, for example http://127.0.0.1:{_PORT} after"
    f" `kubectl port-forward service/{contract.NAME_PLANNER} {_PORT}`"
)
MOST_BYTES = 16 * 1024 * 1024


class PlanError(TenbinError):
    """There is no plan to be had."""


def address(environment: str, planner: str | None) -> str:
    """Return the URL of a planner: the one given, or that of a local environment.

    Raises:
        PlanError: when the URL is none, or the environment has no planner.
    """
    if planner is not None:
        if not planner.startswith(("http://", "https://")):
            raise PlanError(f"--planner {planner!r} is no address. Allowed: one that begins with http:// or https://")
        return planner.rstrip("/")
    try:
        place = layout.find(environment)
        found = inspection.inspect(place).planner_url if place.exists() else None
    except LocalError as error:
        raise PlanError(f"{error}; {_ELSEWHERE}") from error
    if found is None:
        raise PlanError(f"Environment {environment!r} has no planner: `make up` brings it up; {_ELSEWHERE}")
    return found


def fetch(url: str) -> PlanView:
    """Ask a planner for its plan.

    Raises:
        PlanError: when it does not answer, has none yet, or says what cannot be read.
    """
    try:
        with httpx.stream("GET", f"{url}/plan", timeout=TIMEOUT_S, trust_env=False) as response:
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise PlanError(f"The planner at {url} answers with more than {MOST_BYTES} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PlanError(f"The planner at {url} does not answer: {str(error) or type(error).__name__}") from error
    text = content.decode("utf-8", "replace")
    if response.status_code != 200:
        raise PlanError(f"The planner at {url} has no plan (status {response.status_code}): {text.strip()[:300]}")
    return _read(text, f"the planner at {url}")


def recorded(path: pathlib.Path, at_s: float | None) -> PlanView:
    """Read one plan of a file with a plan per line, the last one at or before a time.

    Args:
        path: of the file.
        at_s: seconds after the first plan; None for the last plan.

    Raises:
        PlanError: when the file cannot be read or holds no such plan.
    """
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path} cannot be read: {error}") from error
    if not lines:
        raise PlanError(f"{path} holds no plan")
    if at_s is None:
        return _read(lines[-1], f"{path} line {len(lines)}")
    first = _read(lines[0], f"{path} line 1")
    chosen = first
    for number, line in enumerate(lines[1:], start=2):
        found = _read(line, f"{path} line {number}")
        if (found.at - first.at).total_seconds() > at_s:
            break
        chosen = found
    return chosen


def _read(text: str, where: str) -> PlanView:
    try:
        return PlanView.model_validate_json(text)
    except pydantic.ValidationError as error:
        places = ", ".join(".".join(str(part) for part in item["loc"]) or "all of it" for item in error.errors()[:5])
        raise PlanError(
            f"The plan of {where} cannot be read: {error.error_count()} problems, at {places};"
            " it may be of another version"
        ) from error

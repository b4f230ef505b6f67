"""Files of measured data to an engine profile: read, fit the curves of a pass, calibrate on recorded runs."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pydantic
from numpy.typing import NDArray
from tenbin_spec import problems
from tenbin_spec.profiles import ApiServer, EngineLimits, EngineProfile, ForwardPass, ProfileKind

from tenbin_planner.model import fit as model_fit
from tenbin_planner.model.measurements import MeasurementError, Measurements
from tenbin_planner.profiling import calibration, errors, reading, records, validation
from tenbin_planner.profiling.pass_files import LeftOut
from tenbin_planner.profiling.records import MeasuredRun

LIMITS = tuple(EngineLimits.model_fields)
API = tuple(ApiServer.model_fields)
MOST_FILES = 12
"""Names of files that a profile's source lists."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class About:
    """What a profile says besides its times; None is taken from the headers of pass files."""

    name: str | None = None
    model: str | None = None
    accelerator: str | None = None
    tensor_parallel: int | None = None
    engine: str | None = None
    engine_version: str | None = None
    kind: ProfileKind = ProfileKind.MEASURED
    source: str | None = None
    date: datetime.date | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    kv_blocks: int | None = None
    block_size: int | None = None
    max_model_len: int | None = None
    api_per_request_ms: float | None = None
    api_per_output_token_ms: float | None = None
    api_first_token_ms: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitReport:
    """A profile, and how far it is from what it was made of."""

    profile: EngineProfile
    residuals: tuple[model_fit.Residual, ...]
    """Of the curves before calibration."""
    kinds: tuple[model_fit.KindError, ...]
    left_out: tuple[LeftOut, ...]
    scalars: tuple[calibration.Scalar, ...]
    """Empty without runs."""
    runs: tuple[validation.Comparison, ...]
    """Those that it was calibrated on."""


def fit(
    paths: Sequence[pathlib.Path],
    about: About | None = None,
    *,
    leave_out: Sequence[tuple[float, float]] = (),
    report: Callable[[str], None] = lambda _: None,
) -> FitReport:
    """Fit a profile.

    Args:
        paths: files of passes, decode tables, engine logs and requests; runs of traffic calibrate.
        about: what the files do not say.
        leave_out: first and last second of stretches of engine logs that must not be used.
        report: called with words when a stage begins.

    Raises:
        DataError: for files that cannot be read, values that cannot be, or too little to fit or to describe a profile.
    """
    report("reading")
    data = reading.read(paths, leave_out)
    draft = _draft(about or About(), data)
    report("fitting passes")
    try:
        lone = [records.lone_prompts(table, draft.limits, draft.api) for table in data.lone]
        passes = Measurements.joined([*data.passes, *lone])
        forward = model_fit.forward_pass(passes)
    except MeasurementError as error:
        raise errors.DataError(str(error)) from error
    residuals = model_fit.residuals(forward, passes)
    kinds = model_fit.by_kind(residuals)
    profile = draft.model_copy(update={"forward": forward})
    scalars: tuple[calibration.Scalar, ...] = ()
    if data.runs:
        calibrated = calibration.calibrate(profile, data.runs, lambda words: report(f"calibrating on runs, {words}"))
        profile, scalars = _to_largest_batch(calibrated.profile, data.runs), calibrated.scalars
    report("comparing")
    runs = tuple(validation.compare(profile, run) for run in data.runs)
    return FitReport(
        profile=profile.model_copy(
            update={"source": _source(profile.source, paths, leave_out), "error": error_words(kinds, runs)}
        ),
        residuals=residuals,
        kinds=kinds,
        left_out=tuple(data.left_out),
        scalars=scalars,
        runs=runs,
    )


def written(profile: EngineProfile) -> str:
    """Return a profile as the text of a JSON file, one knot a line."""
    content = profile.model_dump(mode="json")
    for name in ("decode_ms", "kv_ms", "prefill_ms"):
        content["forward"][name] = [f"@{json.dumps(knot)}@" for knot in content["forward"][name]]
    return json.dumps(content, indent=2, ensure_ascii=False).replace('"@', "").replace('@"', "") + "\n"


def error_words(kinds: Sequence[model_fit.KindError], runs: Sequence[validation.Comparison]) -> str:
    """Say in words and figures how far a profile is from its data, the shortest first."""
    parts = [
        f"{own.kind} ({own.count:,}) median {100 * own.median:.1f} %, nine of ten within {100 * own.p90:.1f} %, "
        f"worst {100 * own.worst:+.1f} %"
        for own in kinds
    ]
    words = []
    if runs:
        outside, figures = validation.outside(runs)
        factors = [factor for run in runs for factor in (run.tpot_factor, run.e2e_factor) if not math.isnan(factor)]
        bounds = f"{min(factors):.3f} to {max(factors):.3f}" if factors else "unknown"
        within = f"{figures - outside} of {figures} figures of TTFT, TPOT and E2E are within 10, 15 and 20 %"
        words.append(f"Replays: {within} at p50, p90 and p99")
        names = ", ".join(run.name for run in runs)
        exact = "The factor on all step times that makes the median TPOT or E2E of a replay exact"
        words.append(f"{exact} is {bounds} ({names}; the profile was calibrated on them)")
    return ". ".join([*words, "Passes before calibration: " + "; ".join(parts)]) + "."


def _draft(about: About, data: reading.Data) -> EngineProfile:
    """Return the profile without its times.

    Raises:
        DataError: naming everything that is missing or cannot be.
    """
    given = {key: value for key, value in dataclasses.asdict(about).items() if value is not None}
    values: dict[str, object] = {**data.about, **given}
    values.setdefault("api_first_token_ms", 0.0)
    values.setdefault("tensor_parallel", 1)
    needed = [field.name for field in dataclasses.fields(About)]
    missing = [name for name in needed if name not in values]
    if missing:
        raise errors.DataError(
            "the files do not say what was measured; missing are " + ", ".join(_option(name) for name in missing)
        )
    content: dict[str, Any] = {name: values[name] for name in EngineProfile.model_fields if name in values}
    content["limits"] = {name: values[name] for name in LIMITS}
    content["api"] = {name: values[f"api_{name}"] for name in API}
    flat = [[0, 0.0]]
    content["forward"] = {"decode_ms": flat, "kv_ms": flat, "prefill_ms": flat, "per_prefill_context_ms": 0.0}
    try:
        return EngineProfile.model_validate(_numbers(content))
    except pydantic.ValidationError as error:
        found = [str(problem) for problem in problems.problems_of(error, EngineProfile)]
        raise errors.listed("the description of the profile", found) from error


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _numbers(content: Mapping[str, Any]) -> dict[str, Any]:
    """Turn numbers that a header has as text into numbers, where their place wants one."""

    def number(value: Any, kind: type[int | float]) -> Any:
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            return value

    return {
        **content,
        "tensor_parallel": number(content["tensor_parallel"], int),
        "limits": {name: number(value, int) for name, value in content["limits"].items()},
        "api": {name: number(value, float) for name, value in content["api"].items()},
    }


def _source(words: str, paths: Sequence[pathlib.Path], leave_out: Sequence[tuple[float, float]]) -> str:
    """Return what was measured and by which command it became a profile."""
    names = [path.name for path in paths]
    if len(names) > MOST_FILES:
        names = [*names[:MOST_FILES], f"... ({len(paths) - MOST_FILES} more)"]
    options = [f"--leave-out {first:g}:{last:g}" for first, last in leave_out]
    return f"{words.rstrip('. ')}. Made by `{' '.join(['tenbin profile fit', *names, *options])}`."


def _to_largest_batch(profile: EngineProfile, runs: Sequence[MeasuredRun]) -> EngineProfile:
    """Return the profile whose curves of decodes are known up to the largest batch of the runs, which they now suit."""
    forward, limits = profile.forward, profile.limits
    batch = min(max(_most_at_once(run, np.ones(len(run.sent_s))) for run in runs), limits.max_num_seqs)
    tokens = min(max(_most_at_once(run, run.input_tokens + run.output_tokens / 2) for run in runs), limits.kv_tokens)
    changed = ForwardPass(
        decode_ms=_longer(forward.decode_ms, batch),
        kv_ms=_longer(forward.kv_ms, tokens),
        prefill_ms=forward.prefill_ms,
        per_prefill_context_ms=forward.per_prefill_context_ms,
    )
    return profile.model_copy(update={"forward": changed})


def _longer(curve: tuple[tuple[int, float], ...], last: int) -> tuple[tuple[int, float], ...]:
    """Return the same curve with its end, if that comes before `last`, moved along its last slope."""
    if len(curve) == 1 or last <= curve[-1][0]:
        return curve
    (low, low_ms), (high, high_ms) = curve[-2:]
    end = (last, float(f"{high_ms + (high_ms - low_ms) / (high - low) * (last - high):.5g}"))
    return (*curve, end)


def _most_at_once(run: MeasuredRun, weights: NDArray[np.float64]) -> int:
    """Return the largest sum of weights of answers that were being written at the same time."""
    known = run.finished
    instants = np.concatenate([run.sent_s + run.ttft_ms / 1000, run.sent_s + run.e2e_ms / 1000])
    changes = np.concatenate([weights, -weights])[np.tile(known, 2)]
    order = np.lexsort((changes, instants[np.tile(known, 2)]))
    return int(np.max(np.cumsum(changes[order]), initial=0.0))

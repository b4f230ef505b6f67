"""The command line: a subset of `vllm serve` with the same names and meaning, and flags of the simulation."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import pathlib
from typing import TYPE_CHECKING, Any, NoReturn

import pydantic
from tenbin_planner.model import stepwise
from tenbin_spec import catalogue
from tenbin_spec.profiles import EngineProfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUCKET_FAMILIES = ("time_to_first_token", "inter_token_latency", "request_latency")
"""Families of `--custom-histogram-buckets` that this engine knows, as vLLM names them."""

WITHOUT_EFFECT = (
    "--tensor-parallel-size",
    "--pipeline-parallel-size",
    "--gpu-memory-utilization",
    "--dtype",
    "--kv-cache-dtype",
    "--quantization",
    "--revision",
    "--tokenizer",
    "--tokenizer-revision",
    "--download-dir",
    "--load-format",
    "--uvicorn-log-level",
)
"""Flags of vLLM with one value that this engine takes and ignores: the profile stands for what they change."""

SWITCHES_WITHOUT_EFFECT = (
    "--enable-chunked-prefill",
    "--enable-prefix-caching",
    "--no-enable-prefix-caching",
    "--disable-uvicorn-access-log",
    "--no-enable-log-requests",
    "--trust-remote-code",
)
"""Flags of vLLM without value that this engine takes and ignores."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for."""

    model: str
    served_names: tuple[str, ...]
    """Names that requests may use; the first one stands in metrics and answers."""
    host: str
    port: int
    """0 lets the system choose."""
    profile: EngineProfile
    """With the limits that the command line sets."""
    max_queued: int | None
    shutdown_timeout_s: float
    buckets: Mapping[str, tuple[float, ...]]
    """Bounds in seconds by family of histograms."""
    time_scale: float
    """Factor on all times: 1 is real time, 0.5 twice as fast."""
    load_s: float
    seed: int


class _Parser(argparse.ArgumentParser):
    """Says what it does not know and what it does."""

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            known = sorted(option for action in self._actions for option in action.option_strings)
            message = f"the simulated engine does not know {unknown}. Allowed: {', '.join(known)}"
        super().error(message)


def parse(arguments: Sequence[str]) -> Options:
    """Parse a command line, without the program's name.

    Raises:
        SystemExit: with status 2, after one line on standard error that names the flag, the value and what is allowed;
            with status 0 after --help.
    """
    parser = _parser()
    words = list(arguments)
    if words[:1] == ["serve"]:
        del words[0]
    given = parser.parse_args(words)
    if (given.model_tag is None) == (given.model is None):
        parser.error("name the model once: MODEL or --model MODEL")
    model = given.model_tag or given.model
    try:
        profile = _with_limits(find_profile(given.profile), given)
        stepwise.Replica(profile)
    except ValueError as error:
        parser.error(str(error))
    return Options(
        model=model,
        served_names=tuple(given.served_model_name or [model]),
        host=given.host,
        port=given.port,
        profile=profile,
        max_queued=given.max_num_queued_reqs,
        shutdown_timeout_s=given.shutdown_timeout,
        buckets=given.custom_histogram_buckets,
        time_scale=given.time_scale,
        load_s=given.load_seconds,
        seed=given.seed,
    )


def find_profile(name: str) -> EngineProfile:
    """Return the profile of this name in the catalogue, or the one in the file of this name.

    Raises:
        ValueError: when there is neither, or the file holds no profile.
    """
    known = catalogue.profiles()
    if name in known:
        return known[name]
    path = pathlib.Path(name)
    if not path.is_file():
        allowed = ", ".join(sorted(known))
        raise ValueError(f"profile {name!r} is neither a file nor in the catalogue. Allowed: {allowed}")
    try:
        return EngineProfile.model_validate_json(path.read_text(encoding="utf-8"))
    except pydantic.ValidationError as error:
        raise ValueError(f"profile {name!r}: {error}") from error


def _with_limits(profile: EngineProfile, given: argparse.Namespace) -> EngineProfile:
    chosen = {name: getattr(given, name) for name in ("max_num_seqs", "max_num_batched_tokens", "max_model_len")}
    limits = profile.limits.model_copy(update={name: value for name, value in chosen.items() if value is not None})
    return profile.model_copy(update={"limits": limits})


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m tenbin_local.engine", description="Simulated vLLM.", allow_abbrev=False, add_help=True
    )
    parser.add_argument("model_tag", nargs="?", metavar="MODEL", help="name of the model")
    parser.add_argument("--model", help="the same, as a flag")
    parser.add_argument("--served-model-name", nargs="+", help="names that requests use; MODEL when absent")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=_whole(0, 65535), default=8000, help="0 chooses one (default %(default)s)")
    for flag in ("--max-model-len", "--max-num-seqs", "--max-num-batched-tokens"):
        parser.add_argument(flag, type=_whole(1, 10_000_000), help="the profile's own when absent")
    parser.add_argument("--max-num-queued-reqs", type=_whole(0, 10_000_000), help="more are refused with 503")
    parser.add_argument(
        "--shutdown-timeout",
        type=_number(0, 86_400),
        default=0.0,
        metavar="SECONDS",
        help="after SIGTERM, wait this long for requests in flight; 0 aborts them (default)",
    )
    parser.add_argument(
        "--custom-histogram-buckets",
        type=_buckets,
        default={},
        metavar="JSON",
        help='bounds in seconds by family, for example {"time_to_first_token": [0.5, 1.0]}',
    )
    parser.add_argument("--profile", required=True, metavar="NAME|FILE", help="engine profile: catalogue name or file")
    parser.add_argument("--time-scale", type=_number(1e-4, 100), default=1.0, help="factor on all times (default 1.0)")
    parser.add_argument("--load-seconds", type=_number(0, 86_400), default=0.0, help="wait before the port opens")
    parser.add_argument("--seed", type=_whole(0, 2**63 - 1), default=0, help="of the lengths of answers")
    ignored = parser.add_argument_group("taken and ignored")
    for flag in WITHOUT_EFFECT:
        ignored.add_argument(flag, help=argparse.SUPPRESS)
    for flag in SWITCHES_WITHOUT_EFFECT:
        ignored.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    return parser


def _whole(low: int, high: int) -> Any:
    def parse_number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse_number


def _number(low: float, high: float) -> Any:
    def parse_number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return parse_number


def _buckets(text: str) -> dict[str, tuple[float, ...]]:
    try:
        families = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(families, dict):
        raise argparse.ArgumentTypeError("must be a mapping of families to lists of bounds")
    unknown = sorted(set(families) - set(BUCKET_FAMILIES))
    if unknown:
        allowed = ", ".join(BUCKET_FAMILIES)
        raise argparse.ArgumentTypeError(f"unknown families {', '.join(unknown)}. Allowed: {allowed}")
    for family, bounds in families.items():
        if not _rises(bounds):
            raise argparse.ArgumentTypeError(f"{family}: {bounds!r} is not a list of rising numbers above 0")
    return {family: tuple(float(bound) for bound in bounds) for family, bounds in families.items()}


def _rises(bounds: object) -> bool:
    if not isinstance(bounds, list) or not bounds:
        return False
    if not all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds):
        return False
    return all(low < high for low, high in itertools.pairwise([0, *bounds])) and bounds[-1] < math.inf

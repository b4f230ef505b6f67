"""The metrics page: names, labels, buckets and meaning of vLLM (0.23, with the refusals that later versions count).

Counted as vLLM counts: prompt tokens when a prompt is computed, generation tokens with every pass, requests when they
end. Time to first token, gaps between tokens and end-to-end time are what the API process sees; the times in queue,
prefill and decode are the engine's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenbin_planner.model import stepwise

    from tenbin_local.engine.driver import Stream

FINISHED_REASONS = ("stop", "length", "abort", "error", "repetition")
FIRST_TOKEN_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0),
    *(80.0, 160.0, 640.0, 2560.0),
)
TOKEN_GAP_S = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
REQUEST_S = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0),
    *(960.0, 1920.0, 7680.0),
)
PASS_TOKENS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
ANSWERS = (1, 2, 5, 10, 20)


def series_1_2_5(highest: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50 and so on, up to `highest` at most."""
    return [bound for power in range(10) for bound in (10**power, 2 * 10**power, 5 * 10**power) if bound <= highest]


class EngineMetrics:
    """All series of one engine."""

    def __init__(
        self, model_name: str, replica: stepwise.Replica, *, time_scale: float, buckets: Mapping[str, Sequence[float]]
    ) -> None:
        """Register the series.

        Args:
            model_name: value of the label `model_name`.
            replica: read when the page is written.
            time_scale: real milliseconds per millisecond of the replica.
            buckets: bounds in seconds by family, instead of vLLM's own.
        """
        self._registry = CollectorRegistry()
        self._labels = {"model_name": model_name, "engine": "0"}
        self._replica = replica
        self._seconds = time_scale / 1000
        self._preemptions_seen = 0
        self._register_gauges()
        self._register_counters()
        self._register_request_shapes(replica.profile.limits.max_model_len)
        self._register_times(buckets)

    def page(self) -> bytes:
        """Return the page in the Prometheus text format."""
        replica = self._replica
        self._running.set(replica.running)
        self._waiting.set(replica.waiting)
        self._waiting_by_reason["capacity"].set(replica.waiting)
        self._kv_usage.set(replica.kv_usage)
        self._preemptions.inc(replica.preemptions - self._preemptions_seen)
        self._preemptions_seen = replica.preemptions
        return generate_latest(self._registry)

    def rejected(self) -> None:
        """Count a request that the full queue refused."""
        self._rejections.inc()

    def stepped(self, step: stepwise.Step) -> None:
        """Count a pass that ended."""
        prompts = [sequence.request.input_tokens for sequence in step.sequences if sequence.emitted == 1]
        prompt_tokens = sum(prompts)
        self._pass_tokens.observe(prompt_tokens + len(step.sequences))
        self._generation_tokens.inc(len(step.sequences))
        if prompts:
            self._prompt_tokens.inc(prompt_tokens)
            self._prompt_tokens_computed.inc(prompt_tokens)
            self._prefix_queries.inc(prompt_tokens)

    def token(self, stream: Stream, now: float) -> None:
        """Count a token that is about to be delivered at `now`, seconds of the event loop's clock."""
        if stream.delivered == 0:
            self._first_token_s.observe(now - stream.arrived)
        else:
            self._token_gap_s.observe(now - stream.newest)

    def finished(self, reason: str) -> None:
        """Count a request that ended for one of `FINISHED_REASONS`."""
        self._finished[reason].inc()

    def answered(self, stream: Stream, sequence: stepwise.Sequence, now: float) -> None:
        """Count a request whose whole answer was delivered at `now`, seconds of the event loop's clock."""
        ask = stream.ask
        self.finished(ask.finish_reason)
        for histogram, tokens in (
            (self._request_prompt, ask.prompt_tokens),
            (self._request_prefill, ask.prompt_tokens),
            (self._request_generation, ask.output_tokens),
            (self._request_max_generation, ask.output_tokens),
            (self._request_max_tokens, ask.max_tokens),
            (self._request_n, 1),
        ):
            histogram.observe(tokens)
        decode_s = (sequence.last_token_ms - sequence.first_token_ms) * self._seconds
        prefill_s = (sequence.first_token_ms - sequence.scheduled_ms) * self._seconds
        self._e2e_s.observe(now - stream.arrived)
        self._queue_s.observe(max(sequence.scheduled_ms - sequence.admitted_ms, 0.0) * self._seconds)
        self._prefill_s.observe(prefill_s)
        self._decode_s.observe(decode_s)
        self._inference_s.observe(prefill_s + decode_s)
        self._per_token_s.observe(decode_s / max(ask.output_tokens - 1, 1))

    def _register_gauges(self) -> None:
        self._running = self._gauge("num_requests_running", "Number of requests in model execution batches.")
        self._waiting = self._gauge("num_requests_waiting", "Number of requests waiting to be processed.")
        reasons = Gauge(
            "vllm:num_requests_waiting_by_reason",
            "Number of waiting requests by reason: capacity or deferred.",
            [*self._labels, "reason"],
            registry=self._registry,
        )
        self._waiting_by_reason = {
            reason: reasons.labels(**self._labels, reason=reason) for reason in ("capacity", "deferred")
        }
        self._kv_usage = self._gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.")
        states = Gauge(
            "vllm:engine_sleep_state", "Engine sleep state.", [*self._labels, "sleep_state"], registry=self._registry
        )
        for state in ("awake", "weights_offloaded", "discard_all"):
            states.labels(**self._labels, sleep_state=state).set(state == "awake")
        limits = self._replica.profile.limits
        info = {
            "engine": "0",
            "block_size": str(limits.block_size),
            "num_gpu_blocks": str(limits.kv_blocks),
            "enable_prefix_caching": "False",
            "cache_dtype": "auto",
        }
        help_text = "Information of the LLMEngine CacheConfig"
        Gauge("vllm:cache_config_info", help_text, list(info), registry=self._registry).labels(**info).set(1)

    def _register_counters(self) -> None:
        self._preemptions = self._counter("num_preemptions", "Cumulative number of preemption from the engine.")
        self._prompt_tokens = self._counter("prompt_tokens", "Number of prefill tokens processed.")
        self._generation_tokens = self._counter("generation_tokens", "Number of generation tokens processed.")
        self._prefix_queries = self._counter("prefix_cache_queries", "Prefix cache queries, in queried tokens.")
        for name, text in (
            ("prefix_cache_hits", "Prefix cache hits, in cached tokens."),
            ("external_prefix_cache_queries", "External prefix cache queries, in queried tokens."),
            ("external_prefix_cache_hits", "External prefix cache hits, in cached tokens."),
            ("prompt_tokens_cached", "Number of cached prompt tokens (local + external)."),
        ):
            self._counter(name, text)
        sources = ("local_compute", "local_cache_hit", "external_kv_transfer")
        by_source = self._counters("prompt_tokens_by_source", "Number of prompt tokens by source.", "source", sources)
        self._prompt_tokens_computed = by_source["local_compute"]
        self._finished = self._counters(
            "request_success", "Count of successfully processed requests.", "finished_reason", FINISHED_REASONS
        )
        rejections = Counter(
            "vllm:admission_rejections",
            "Requests refused at admission, by limit.",
            ["model_name", "reason"],
            registry=self._registry,
        )
        self._rejections = rejections.labels(self._labels["model_name"], "max_num_queued_reqs")

    def _register_request_shapes(self, max_model_len: int) -> None:
        lengths = series_1_2_5(max_model_len)
        self._request_prompt = self._histogram("request_prompt_tokens", "Number of prefill tokens processed.", lengths)
        self._request_generation = self._histogram(
            "request_generation_tokens", "Number of generation tokens processed.", lengths
        )
        self._request_prefill = self._histogram(
            "request_prefill_kv_computed_tokens", "New KV tokens computed during prefill.", lengths
        )
        self._request_max_generation = self._histogram(
            "request_max_num_generation_tokens", "Maximum number of requested generation tokens.", lengths
        )
        self._request_max_tokens = self._histogram(
            "request_params_max_tokens", "Histogram of the max_tokens request parameter.", lengths
        )
        self._request_n = self._histogram("request_params_n", "Histogram of the n request parameter.", ANSWERS)
        self._pass_tokens = self._histogram(
            "iteration_tokens_total", "Histogram of number of tokens per engine_step.", PASS_TOKENS
        )

    def _register_times(self, buckets: Mapping[str, Sequence[float]]) -> None:
        first = buckets.get("time_to_first_token", FIRST_TOKEN_S)
        gap = buckets.get("inter_token_latency", TOKEN_GAP_S)
        request = buckets.get("request_latency", REQUEST_S)
        self._first_token_s = self._histogram("time_to_first_token_seconds", "Time to first token in seconds.", first)
        self._token_gap_s = self._histogram("inter_token_latency_seconds", "Inter-token latency in seconds.", gap)
        self._per_token_s = self._histogram(
            "request_time_per_output_token_seconds", "Time per output token of each request in seconds.", gap
        )
        self._e2e_s = self._histogram("e2e_request_latency_seconds", "End-to-end latency in seconds.", request)
        self._queue_s = self._histogram("request_queue_time_seconds", "Time spent in WAITING phase.", request)
        self._inference_s = self._histogram("request_inference_time_seconds", "Time spent in RUNNING phase.", request)
        self._prefill_s = self._histogram("request_prefill_time_seconds", "Time spent in PREFILL phase.", request)
        self._decode_s = self._histogram("request_decode_time_seconds", "Time spent in DECODE phase.", request)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"vllm:{name}", text, list(self._labels), registry=self._registry).labels(**self._labels)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"vllm:{name}", text, list(self._labels), registry=self._registry).labels(**self._labels)

    def _counters(self, name: str, text: str, label: str, values: Iterable[str]) -> dict[str, Counter]:
        counter = Counter(f"vllm:{name}", text, [*self._labels, label], registry=self._registry)
        return {value: counter.labels(**self._labels, **{label: value}) for value in values}

    def _histogram(self, name: str, text: str, bounds: Sequence[float]) -> Histogram:
        histogram = Histogram(f"vllm:{name}", text, list(self._labels), buckets=bounds, registry=self._registry)
        return histogram.labels(**self._labels)

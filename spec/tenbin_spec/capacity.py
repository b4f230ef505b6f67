"""How many requests per second one replica serves within an objective, in closed form.

An estimate to see before anything runs. The planner, `tenbin menu` and `tenbin cost --backtest` simulate the engine;
this needs no simulator, so that a preview, a policy and a stack's outputs can tell what a stack will cost.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics

from tenbin_spec.objectives import Objective, Slo
from tenbin_spec.profiles import EngineProfile, curve_ms
from tenbin_spec.workload import Lengths, Workload

_HALVINGS = 24
"""In the search for the largest batch."""
_NORMAL = statistics.NormalDist()
_NORMAL_P95 = _NORMAL.inv_cdf(0.95)


def requests_per_second(profile: EngineProfile, slo: Slo, workload: Workload) -> float:
    """Return the highest mean rate at which a replica keeps each objective of an SLO, were all requests of its class.

    0 where not even a request that has the replica to itself keeps one.
    """
    return min(_Replica(profile, workload, objective).capacity_rps() for objective in slo.classes.values())


@dataclasses.dataclass(frozen=True)
class _Replica:
    """One replica under a mean batch of b sequences that decode.

    A decode pass takes T(b) = decode_ms(b) + kv_ms(b * context), and a prompt P(b). Of each millisecond a share
    rate * P goes to prompts, so that a token takes T / (1 - rate * P); Little's law, b = rate * output tokens * that,
    gives

        rate(b) = b / (output tokens * T(b) + b * P(b))

    which rises with b, as times do: the largest b at which they keep the thresholds is the capacity.
    """

    profile: EngineProfile
    workload: Workload
    objective: Objective

    def capacity_rps(self) -> float:
        if not self._keeps(0.0):
            return 0.0
        low, high = 0.0, self._largest
        if self._keeps(high):
            low = high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._keeps(middle) else (low, middle)
        api = self.profile.api
        api_ms = api.per_request_ms + api.per_output_token_ms * self.workload.output_tokens.mean
        return min(self._rate_per_ms(low), 1 / api_ms if api_ms else math.inf) * 1000

    def _keeps(self, batch: float) -> bool:
        ttft, tpot, tokens = self._ttft_ms(batch), self._tpot_ms(batch), self._at_target(self.workload.output_tokens)
        pairs = (
            (self.objective.ttft_ms, ttft),
            (self.objective.tpot_ms, tpot),
            (self.objective.e2e_ms, ttft + (tokens - 1) * self._decode_ms(self._full(batch)) / self._free(batch)),
        )
        return all(limit is None or value <= limit for limit, value in pairs)

    def _tpot_ms(self, batch: float) -> float:
        """Return the TPOT of the request at the target's quantile.

        Prompts come into each pass as a Poisson number of mean b / output tokens. Over a short answer of n tokens they
        add, per token, their mean and z standard deviations: P * (m + z * sqrt(m * E[P^2] / E[P]^2 / n)).
        """
        output = self.workload.output_tokens
        short = max(output.mean * (output.mean / output.p95) ** 1.5, 1.0)
        coming = batch / output.mean
        spread = math.exp(_sigma(self.workload.input_tokens) ** 2)
        prompts = coming + self._quantile * math.sqrt(coming * spread / short)
        return self._decode_ms(self._full(batch)) + prompts * self._prompt_ms(batch)

    def _ttft_ms(self, batch: float) -> float:
        """Return the TTFT of the request at the target's quantile: of a long prompt, or of one that waits long.

        The wait for the prompts before it is that of an M/G/1 queue in heavy traffic: exponential with the mean
        E[P^2] / (2 * E[P]) / (1 - u) with the probability u = rate * P.
        """
        lengths, target = self.workload.input_tokens, float(self.objective.target)
        busy = 1 - self._free(batch)
        mean_wait = self._prompt_ms(batch) * math.exp(_sigma(lengths) ** 2) / 2 / self._free(batch)
        longest_wait = mean_wait * max(0.0, math.log(busy / (1 - target))) if busy else 0.0
        decode = self._decode_ms(self._full(batch))
        api = self.profile.api

        def own(tokens: int) -> float:
            chunks = math.ceil(tokens / self.profile.limits.max_num_batched_tokens)
            return self._prefill_ms(tokens) + (chunks + 0.5 * busy) * decode

        return (
            api.per_request_ms
            + api.per_output_token_ms
            + api.first_token_ms
            + own(self._at_target(lengths))
            + longest_wait
        )

    def _rate_per_ms(self, batch: float) -> float:
        decode = self._decode_ms(max(batch, 1.0))
        return batch / (self.workload.output_tokens.mean * decode + batch * self._prompt_ms(batch))

    def _free(self, batch: float) -> float:
        """Return the share of time that is left for decodes, above 0 by the formula of the rate."""
        return 1 - self._rate_per_ms(batch) * self._prompt_ms(batch)

    def _decode_ms(self, batch: float) -> float:
        return curve_ms(self.profile.forward.decode_ms, batch) + curve_ms(
            self.profile.forward.kv_ms, batch * self._context
        )

    def _prompt_ms(self, batch: float) -> float:
        """Return what a prompt of mean length costs when as many share a pass as come in one."""
        mean, most = self.workload.input_tokens.mean, self.profile.limits.max_num_batched_tokens
        if mean >= most:
            return self._prefill_ms(mean)
        forward, shared = self.profile.forward, max(1.0, min(batch / self.workload.output_tokens.mean, most / mean))
        return mean**2 / 2 * forward.per_prefill_context_ms + curve_ms(forward.prefill_ms, shared * mean) / shared

    def _prefill_ms(self, tokens: int) -> float:
        """Return what a prompt adds to the passes that compute it, in chunks."""
        forward, most = self.profile.forward, self.profile.limits.max_num_batched_tokens
        whole, rest = divmod(tokens, most)
        chunks = whole * curve_ms(forward.prefill_ms, most) + (curve_ms(forward.prefill_ms, rest) if rest else 0.0)
        return tokens**2 / 2 * forward.per_prefill_context_ms + chunks

    def _full(self, batch: float) -> float:
        """Return the batch, a Poisson number, at the target's quantile."""
        return max(1.0, min(batch + self._quantile * math.sqrt(batch), self._largest))

    def _at_target(self, lengths: Lengths) -> int:
        """Return the length at the target's quantile, of a lognormal distribution of this mean and 95th percentile."""
        sigma = _sigma(lengths)
        exact = lengths.mean * math.exp(self._quantile * sigma - sigma**2 / 2)
        return max(1, min(round(exact), self.profile.limits.max_model_len))

    @functools.cached_property
    def _quantile(self) -> float:
        return max(_NORMAL.inv_cdf(float(self.objective.target)), 0.0)

    @functools.cached_property
    def _context(self) -> float:
        return self.workload.input_tokens.mean + self.workload.output_tokens.mean / 2

    @functools.cached_property
    def _largest(self) -> float:
        """Sequences that the engine's limit and its KV cache allow at once."""
        return max(1.0, min(self.profile.limits.max_num_seqs, self.profile.limits.kv_tokens / self._context))


def _sigma(lengths: Lengths) -> float:
    """Return sigma of the lognormal distribution with this mean and 95th percentile: p95 / mean = exp(z s - s^2 / 2).

    The smaller of the two solutions; no lognormal has a ratio above exp(z^2 / 2), about 3.87, whose sigma is z.
    """
    return _NORMAL_P95 - math.sqrt(max(0.0, _NORMAL_P95**2 - 2 * math.log(lengths.p95 / lengths.mean)))

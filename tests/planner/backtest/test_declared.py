"""A day of declared traffic."""

from __future__ import annotations

import numpy as np
import pytest
from support.stacks import stack
from tenbin_planner.backtest import declared
from tenbin_planner.backtest.nodes import Billing
from tenbin_spec.document import document_of
from tenbin_spec.workload import Rate


@pytest.mark.parametrize(("expected", "peak"), [(8.0, 20.0), (15.0, 20.0), (20.0, 20.0), (10.0, 20.0), (0.2, 20.0)])
def test_a_day_has_the_expected_mean_and_the_peak_and_begins_at_its_lowest(expected: float, peak: float) -> None:
    day = declared.day(Rate(expected=expected, peak=peak), hours=6)
    rates = day.per_second(np.linspace(0, 6 * 3600, 100_001))
    assert rates.mean() == pytest.approx(expected, rel=1e-3)
    assert rates.max() == pytest.approx(peak) == pytest.approx(day.most)
    assert rates[0] == rates.min() >= 0


def test_drawn_requests_fit_the_context_and_the_same_agreement_draws_the_same() -> None:
    document = document_of(stack(services__chat__engine__max_model_len=600), "local")
    drawn, again = (declared.trace(document, "chat", hours=0.5) for _ in range(2))
    assert int((drawn.input_tokens + drawn.output_tokens).max()) <= 600
    assert np.array_equal(drawn.arrival_s, again.arrival_s)
    assert len(drawn) == pytest.approx(3 * 1800, rel=0.1)


def test_a_service_without_a_known_price_has_no_day() -> None:
    configuration = stack(pools__l4__region="eu-north-1", services__chat__pools=["l4"])
    document = document_of(configuration, "local")
    assert declared.expectation(document, "chat", hours=0.1, billing=Billing.REPLICA) is None

"""Generated traffic described in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tenbin_planner import traces

COMMON = "minutes=10,input=100/300,output=20/60"


def refusal(text: str, **more: str) -> list[str]:
    """Return the lines of the error without the list of parameters."""
    with pytest.raises(traces.TraceError) as caught:
        traces.load(text, **more)
    return str(caught.value).partition("\n  Parameters of this shape:")[0].splitlines()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("constant,rate=10", 6000),
        ("diurnal,peak=20,trough=20", 12_000),
        ("bursts,rate=10,burst=10", 6000),
        ("step,before=5,after=20,at_s=300", 7500),
        ("step,before=5,after=20,at_s=300,until_s=400", 4500),
        ("ramp,start=0,end=20", 6000),
        ("ramp,start=0,end=20,from_s=100,to_s=300", 8000),
        ("sine,mean=25,amplitude=20,period_s=600", 15_000),
        ("constant,rate=10,cv=2", 6000),
    ],
)
def test_every_shape_gives_as_many_requests_as_its_rate_says(shape: str, expected: float) -> None:
    text = f"generate:{shape},{COMMON},seed=5"
    trace = traces.load(text)
    assert len(trace) == pytest.approx(expected, rel=10 / np.sqrt(expected))
    assert trace.name == text
    assert trace.duration_s < 600
    assert traces.load(text).digest() == trace.digest()
    assert traces.load(f"generate:{shape},{COMMON},seed=6").digest() != trace.digest()


def test_hours_minutes_and_seconds_say_the_same() -> None:
    rest = "input=100/300,output=20/60"
    digests = {
        traces.load(f"generate:constant,rate=1,{length},{rest}").digest()
        for length in ("hours=0.5", "minutes=30", "seconds=1800")
    }
    assert len(digests) == 1


def test_lengths_are_the_ones_asked_for_and_one_number_is_for_all() -> None:
    trace = traces.load("generate:constant,rate=100,minutes=10,input=1200/4000,output=64,longest=50000")
    assert trace.input_tokens.mean() == pytest.approx(1200, rel=0.06)
    assert np.percentile(trace.input_tokens, 95) == pytest.approx(4000, rel=0.05)
    cut = traces.load("generate:constant,rate=100,minutes=10,input=1200/4000,output=64,longest=5000")
    assert cut.input_tokens.tolist() == np.minimum(trace.input_tokens, 5000).tolist()
    assert set(trace.output_tokens.tolist()) == {64}


def test_classes_may_have_lengths_of_their_own_and_then_need_no_common_ones() -> None:
    trace = traces.load(
        "generate:constant,rate=50,minutes=10,classes=interactive:0.8+batch:0.2,"
        "input.interactive=100,input.batch=4000,output=20,output.batch=9"
    )
    assert trace.classes == ("batch", "interactive")
    batch = trace.class_index == 0
    assert batch.mean() == pytest.approx(0.2, abs=0.02)
    assert set(trace.input_tokens[batch].tolist()) == {4000}
    assert set(trace.input_tokens[~batch].tolist()) == {100}
    assert set(trace.output_tokens[batch].tolist()) == {9}
    assert set(trace.output_tokens[~batch].tolist()) == {20}


def test_lengths_drift() -> None:
    trace = traces.load("generate:constant,rate=50,minutes=10,input=100,output=100,drift_input=2,drift_output=0.5")
    assert trace.input_tokens[-1] == pytest.approx(200, abs=1)
    assert trace.output_tokens[-1] == pytest.approx(50, abs=1)
    assert trace.input_tokens[0] == trace.output_tokens[0] == 100


def test_everything_wrong_with_a_description_is_said_at_once() -> None:
    text = "generate:diurnal,hours=x,peak=20,through=4,input=1200/400,seed=1.5,peak=3,word,cv=nan"
    assert refusal(text) == [
        f"{text} has 9 problems:",
        "  - peak: given twice",
        "  - 'word': allowed is NAME=VALUE",
        (
            "  - through: unknown key; did you mean 'trough'? Allowed here: classes, cv, drift_input, drift_output, "
            "hours, input, longest, minutes, output, peak, peak_hour, seconds, seed, trough, weekend"
        ),
        "  - trough: is required and missing: rate at its lowest, requests per second",
        "  - seed: '1.5'; allowed is a whole number from 0 to 4294967295",
        "  - cv: 'nan'; allowed is a number from 0.05 to 20",
        "  - hours: 'x'; allowed is a number above 0 and up to 277778",
        (
            "  - input: '1200/400'; allowed is mean/p95 in tokens, or one number for all, from 1 to 100000000, "
            "and p95 from 1 to 3.87 times the mean"
        ),
        "  - output: is required and missing: tokens as mean/p95, or one number for all",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"diurnal,peak=4,trough=20,{COMMON}", "trough: 20 is above peak, 4; allowed is peak or less"),
        (f"sine,mean=4,amplitude=20,{COMMON}", "amplitude: 20 is above mean, 4; allowed is mean or less"),
        (f"step,before=1,after=2,at_s=9,until_s=3,{COMMON}", "at_s: 9 is above until_s, 3; allowed is until_s or less"),
        (f"ramp,start=1,end=2,from_s=900,{COMMON}", "from_s: 900 is above to_s, 600; allowed is to_s or less"),
        (f"constant,rate=-1,{COMMON}", "rate: '-1'; allowed is a number from 0 to 1000000"),
        (f"constant,rate=inf,{COMMON}", "rate: 'inf'; allowed is a number from 0 to 1000000"),
        (
            f"constant,rate=1,hours=1,{COMMON}",
            "length of the trace: hours and minutes are given; allowed is one of hours, minutes, seconds",
        ),
        (
            "constant,rate=1,input=1,output=1",
            "length of the trace: none is given; allowed is one of hours, minutes, seconds",
        ),
        ("constant,rate=1,seconds=0,input=1,output=1", "seconds: '0'; allowed is a number above 0 and up to 1e+09"),
        (f"constant,rate=1,{COMMON},classes=a:0.5+b:0.6", "classes: shares add up to 1.1; allowed is 1"),
        (
            f"constant,rate=1,{COMMON},classes=a",
            "classes: 'a'; allowed is NAME:SHARE, each name once, shares above 0 and up to 1",
        ),
        (
            "constant,rate=1,minutes=1,input=1,classes=a:0.5+b:0.5,output.a=3",
            "output or output.b: is required and missing: tokens as mean/p95, or one number for all",
        ),
        (
            "bursts,rate=0.001,burst=0.001,calm_s=1,burst_s=1,hours=270000,input=1,output=1",
            "calm_s and burst_s: 486,000,000 bursts would come; allowed are up to 1,000,000",
        ),
    ],
)
def test_a_description_that_cannot_be_is_refused(text: str, problem: str) -> None:
    assert refusal(f"generate:{text}") == [f"generate:{text} has 1 problem:", f"  - {problem}"]


def test_the_parameters_of_the_shape_are_listed_with_a_problem() -> None:
    with pytest.raises(traces.SpecError) as caught:
        traces.load("generate:step,before=1")
    assert str(caught.value).partition("\n  Parameters of this shape:\n")[2].splitlines()[:4] == [
        "    before: rate before and outside, requests per second (required)",
        "    after: rate after, requests per second (required)",
        "    at_s: instant of the step, seconds (required)",
        "    until_s: instant of the step back, seconds (default inf)",
    ]


def test_an_unknown_shape_is_refused_with_the_one_that_was_meant() -> None:
    assert refusal("generate:durnal,hours=1") == [
        (
            "generate:durnal,hours=1: 'durnal' is not a shape of traffic; did you mean 'diurnal'? "
            "Allowed: bursts, constant, diurnal, ramp, sine, step"
        )
    ]


def test_a_reader_makes_no_sense_for_what_is_drawn() -> None:
    text = f"generate:constant,rate=1,{COMMON}"
    assert refusal(text, reader="azure") == [
        f"{text} is drawn and not read: no reader, not even 'azure', is allowed with it"
    ]


def test_a_path_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("arrival_s,input_tokens,output_tokens\n0,1,2\n")
    assert len(traces.load(tmp_path / "t.csv")) == 1


def test_the_help_names_every_shape_and_parameter() -> None:
    text = traces.spec_help()
    for word in (
        "constant",
        "diurnal",
        "bursts",
        "step",
        "ramp",
        "sine",
        "weekend",
        "burst_s",
        "period_s",
        "drift_input",
    ):
        assert f" {word}: " in text

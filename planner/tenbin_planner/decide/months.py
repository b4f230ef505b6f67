"""Calendar months in UTC as seconds since the epoch, without a clock and without a time zone."""

from __future__ import annotations

DAY_S = 86_400
HOUR_S = 3600
_DAYS_OF_ERA = 146_097
"""Days of 400 years of the Gregorian calendar."""
_TO_EPOCH = 719_468
"""Days from 1 March of the year 0 to 1 January 1970."""


def month_of(at: float) -> tuple[int, int]:
    """Return year and month (1 to 12) of a moment.

    Args:
        at: seconds since the epoch, a finite number.
    """
    days = int(at // DAY_S) + _TO_EPOCH
    era, of_era = divmod(days, _DAYS_OF_ERA)
    # Years begin in March here, so that the leap day comes last; the calendar's corrections are taken out first.
    years = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    from_march = (5 * of_year + 2) // 153
    month = from_march + 3 if from_march < 10 else from_march - 9
    return era * 400 + years + (month <= 2), month


def start_s(year: int, month: int) -> int:
    """Return the first moment of a month, in seconds since the epoch."""
    from_march, year = (month - 3, year) if month > 2 else (month + 9, year - 1)
    era, years = divmod(year, 400)
    of_year = (153 * from_march + 2) // 5
    of_era = 365 * years + years // 4 - years // 100 + of_year
    return (era * _DAYS_OF_ERA + of_era - _TO_EPOCH) * DAY_S


def borders_s(at: float) -> tuple[int, int]:
    """Return the first moment of the month of a moment and of the month after it, in seconds since the epoch."""
    year, month = month_of(at)
    after = (year, month + 1) if month < 12 else (year + 1, 1)
    return start_s(year, month), start_s(*after)

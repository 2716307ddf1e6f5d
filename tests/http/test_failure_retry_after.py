"""What `Retry-After` asks for."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerokie_action.http.failure import retry_after

NOW = 1_772_902_800


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0", None),
            ("0.0", None),
            ("120", 120.0),
            (" 7 ", 7.0),
            ("1.5", 1.5),
            ("999999999", 999999999.0),
            (formatdate(NOW + 90, usegmt=True), 90.0),
            (formatdate(NOW - 90, usegmt=True), None),
            ("Saturday, 07-Mar-26 17:00:30 GMT", 30.0),
            ("Sat Mar  7 17:00:30 2026", 30.0),
            ("Sat, 07 Mar 2026 17:00:30 -0000", 30.0),
            ("", None),
            ("-1", None),
            ("1e3", None),
            ("\u0663", None),
            ("soon", None),
            ("inf", None),
            ("nan", None),
            ("9999999999", None),
            ("Sat, 99 Mar 2026 17:00:30 GMT", None),
            ("Sat, 07 Mar 99999 17:00:30 GMT", None),
        ],
    )
    def test_forms(self, text: str, expected: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
        """Seconds and all forms of a date, in any local time zone; all else, and what is over, is none."""
        monkeypatch.setattr(time, "time", lambda: float(NOW))
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        try:
            assert retry_after({"retry-after": text}) == expected
        finally:
            monkeypatch.delenv("TZ")
            time.tzset()

    def test_none(self) -> None:
        assert retry_after({}) is None

    def test_the_platform_s_own_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A date is compared with the answer's own date: our clock may be wrong."""
        headers = {"retry-after": formatdate(NOW + 60, usegmt=True), "date": formatdate(NOW, usegmt=True)}
        monkeypatch.setattr(time, "time", lambda: float(NOW + 5000))
        assert retry_after(headers) == 60.0

    @settings(deadline=None)
    @given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
    def test_anything(self, text: str) -> None:
        """No value that a header can have raises, or asks for nothing."""
        asked = retry_after({"retry-after": text, "date": text})
        assert asked is None or asked > 0

"""Back-off: full jitter within the server's numbers; the range of a close code decides."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import Page

from tests.livefeed.oracle import assert_flat

pytestmark = pytest.mark.browser

DELAYS = """async () => {
  const { retryDelay } = await import("/static/livefeed/retry.js");
  const limits = { first_max_ms: 5000, cap_ms: 30000 };
  const delays = (chance) => [0, 1, 2, 3, 4, 5, 50].map((n) => retryDelay(n, limits, () => chance));
  return [0, 0.5, 0.999999].map(delays);
}"""


def test_a_delay_lies_anywhere_between_nothing_and_a_ceiling_that_doubles_up_to_the_cap(page: Page) -> None:
    lowest, middle, highest = page.evaluate(DELAYS)
    assert lowest == [0] * 7
    assert middle == [2500, 1000, 2000, 4000, 8000, 15000, 15000]
    assert highest == [5000, 2000, 4000, 8000, 16000, 30000, 30000]


BACK = """async ([chances, awayMs]) => {
  const { drainDelay, retryDelay } = await import("/static/livefeed/retry.js");
  const limits = { first_max_ms: 5000, cap_ms: 30000 };
  const random = () => chances.pop();
  const comeBack = () => {
    let now = 0;
    let attempt = 0;
    do now += retryDelay(attempt++, limits, random);
    while (now < awayMs);
    return now;
  };
  const all = (moment) => Array.from({ length: 300 }, moment);
  return [all(comeBack), all(() => drainDelay(5000, random))];
}"""


@pytest.mark.parametrize("away_ms", [0, 1000, 2000])
def test_300_clients_of_a_server_that_was_restarted_do_not_come_back_in_a_crowd(
    page: Page, away_ms: int
) -> None:
    dice = random.Random(44)
    cut, drained = page.evaluate(BACK, [[dice.random() for _ in range(3000)], away_ms])
    assert_flat(cut, 5000)
    assert_flat(drained, 5000)


def test_only_codes_from_4500_to_4999_are_final(page: Page) -> None:
    final = page.evaluate(
        """async (codes) => {
          const { isFinal } = await import("/static/livefeed/retry.js");
          return codes.filter(isFinal);
        }""",
        [
            0,
            1000,
            1001,
            1005,
            1006,
            1009,
            1011,
            1012,
            1013,
            4000,
            4001,
            4008,
            4499,
            4500,
            4501,
            4506,
            4999,
            5000,
        ],
    )
    assert final == [4500, 4501, 4506, 4999]

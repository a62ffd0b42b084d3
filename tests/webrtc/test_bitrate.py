"""The bitrate that serves all: when it falls, when it rises, who is thinned out."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from robot_node.webrtc.bitrate import BitrateControl, BitrateLimits

FLOOR, CEILING = 250_000, 2_000_000


class Encoder:
    """A control with a clock of its own, and what it asked of the encoder."""

    def __init__(self, *receivers: str) -> None:
        self.time = 100.0
        self.asked: list[tuple[float, int]] = []
        self.control = BitrateControl(
            BitrateLimits(FLOOR, CEILING), lambda rate: self.asked.append((self.time, rate)), lambda: self.time
        )
        for receiver in receivers:
            self.control.join(receiver)

    def report(self, receiver: str, estimate: int | None, lost: float, *, after_s: float = 1.0) -> None:
        self.time += after_s
        if estimate is not None:
            self.control.estimate(receiver, estimate)
        self.control.report(receiver, lost)


def test_nobody_has_reported_the_configured_bitrate_stays() -> None:
    encoder = Encoder("a", "b")
    assert encoder.control.bitrate == CEILING
    assert encoder.asked == []


def test_a_low_estimate_without_loss_changes_nothing() -> None:
    encoder = Encoder("a")
    for estimate in (300_000, 500_000, 1_500_000):
        encoder.report("a", estimate, 0.0)
    assert encoder.asked == []


def test_what_a_media_server_wants_holds_without_loss_until_it_wants_more() -> None:
    encoder = Encoder("server")
    encoder.control.limit("server", 400_000)
    assert encoder.control.bitrate == 400_000
    for _ in range(30):
        encoder.report("server", None, 0.0)
    assert encoder.control.bitrate == 400_000
    encoder.control.set_limits(BitrateLimits(FLOOR, CEILING))
    assert encoder.control.bitrate == 400_000
    encoder.control.limit("server", 10_000_000)
    for _ in range(3):
        encoder.report("server", None, 0.0)
    assert encoder.control.bitrate == CEILING
    encoder.control.limit("nobody", 100_000)
    assert encoder.control.bitrate == CEILING


def test_loss_without_an_estimate_changes_nothing() -> None:
    encoder = Encoder("a")
    encoder.report("a", None, 0.3)
    assert encoder.asked == []


def test_a_low_estimate_with_loss_is_followed_down_to_the_floor() -> None:
    encoder = Encoder("a")
    encoder.report("a", 800_000, 0.1)
    assert encoder.control.bitrate == 800_000
    encoder.report("a", 100_000, 0.2)
    assert encoder.control.bitrate == FLOOR


def test_the_bitrate_climbs_back_to_the_configured_one_and_no_further() -> None:
    encoder = Encoder("a")
    encoder.report("a", 500_000, 0.1)
    for _ in range(30):
        encoder.report("a", 500_000, 0.0)
    rates = [rate for _, rate in encoder.asked]
    assert rates[0] == 500_000
    assert rates[1:] == sorted(rates[1:])
    assert rates[-1] == CEILING == encoder.control.bitrate


def test_a_little_loss_neither_lowers_nor_raises() -> None:
    encoder = Encoder("a")
    encoder.report("a", 500_000, 0.1)
    for _ in range(10):
        encoder.report("a", 400_000, 0.03)
    assert encoder.control.bitrate == 500_000


def test_changes_are_a_second_apart_and_none_is_small() -> None:
    encoder = Encoder("a")
    encoder.report("a", 1_000_000, 0.1)
    encoder.report("a", 950_000, 0.1)
    encoder.report("a", 700_000, 0.1, after_s=0.1)
    encoder.report("a", 600_000, 0.1, after_s=0.1)
    encoder.report("a", 600_000, 0.1)
    assert [rate for _, rate in encoder.asked] == [1_000_000, 700_000, 600_000]
    encoder.report("a", 400_000, 0.1, after_s=0.5)
    assert encoder.control.bitrate == 600_000
    encoder.report("a", 400_000, 0.1, after_s=0.5)
    assert encoder.control.bitrate == 400_000


def test_a_viewer_far_below_the_rest_is_thinned_out_and_slows_down_nobody() -> None:
    encoder = Encoder("a", "b", "slow")
    encoder.report("slow", 300_000, 0.3)
    assert encoder.control.thinned("slow")
    assert not encoder.control.thinned("a")
    assert encoder.control.bitrate == CEILING


def test_of_two_viewers_the_one_far_below_is_thinned_out() -> None:
    encoder = Encoder("a", "slow")
    encoder.report("slow", 300_000, 0.3)
    assert encoder.control.thinned("slow")
    assert not encoder.control.thinned("a")


def test_a_viewer_a_little_below_the_rest_slows_down_all() -> None:
    encoder = Encoder("a", "b")
    encoder.report("b", 1_200_000, 0.1)
    assert not encoder.control.thinned("b")
    assert encoder.control.bitrate == 1_200_000


def test_all_viewers_with_bad_networks_are_served_by_a_low_bitrate() -> None:
    encoder = Encoder("a", "b")
    for receiver in ("a", "b", "a", "b"):
        encoder.report(receiver, 400_000, 0.2)
    assert not encoder.control.thinned("a")
    assert not encoder.control.thinned("b")
    assert encoder.control.bitrate == 400_000


def test_a_thinned_viewer_comes_back_when_its_network_does() -> None:
    encoder = Encoder("a", "slow")
    encoder.report("slow", 300_000, 0.3)
    for _ in range(30):
        encoder.report("slow", 300_000, 0.0)
    assert not encoder.control.thinned("slow")


def test_what_a_viewer_reported_is_forgotten_when_it_leaves() -> None:
    encoder = Encoder("a", "b")
    encoder.report("b", 1_200_000, 0.1)
    encoder.time += 5
    encoder.control.leave("b")
    assert encoder.control.bitrate == CEILING
    encoder.control.report("b", 0.5)
    encoder.control.estimate("b", 1)
    assert not encoder.control.thinned("b")


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 1 << 40), st.floats(0, 1), st.floats(0.0, 3.0))
    )
)
def test_whatever_is_reported_the_limits_hold(reports: list[tuple[str, int | None, float, float]]) -> None:
    encoder = Encoder("a", "b", "c")
    for receiver, estimate, lost, after_s in reports:
        encoder.report(receiver, estimate, lost, after_s=after_s)
        assert not all(encoder.control.thinned(key) for key in "abc")
    times = [time for time, _ in encoder.asked]
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(times))
    assert all(FLOOR <= rate <= CEILING for _, rate in encoder.asked)


def test_a_new_ceiling_holds_at_once_and_a_poor_network_keeps_its_own() -> None:
    encoder = Encoder("rich", "poor")
    encoder.control.set_limits(BitrateLimits(FLOOR, 4_000_000))
    assert encoder.control.bitrate == 4_000_000, "which the encoder has already"
    assert encoder.asked == []
    encoder.report("poor", 2_500_000, 0.2)
    assert encoder.control.bitrate == 2_500_000
    encoder.control.set_limits(BitrateLimits(FLOOR, 3_000_000))
    assert encoder.asked[-1][1] == encoder.control.bitrate == 2_500_000, "asked for again: the encoder had the new one"
    encoder.control.set_limits(BitrateLimits(FLOOR, 1_000_000))
    for _ in range(5):
        encoder.report("poor", 5_000_000, 0.0)
    assert encoder.control.bitrate == 1_000_000

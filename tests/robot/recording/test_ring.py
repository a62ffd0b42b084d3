"""The ring buffer: what is in it, and what never is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from robot_node.robot.recording.ring import Ring, Sample, parameter_sets

SPS, PPS = b"\0\0\0\1\x67\x42\xc0\x1e\xaa", b"\0\0\0\1\x68\xce\x3c\x80"
LARGER = b"\0\0\0\1\x67\x42\xc0\x28\xbb"
IDR = b"\0\0\0\1\x65" + bytes(100)


def key(second: float, size: int = 120, sps: bytes = SPS) -> Sample:
    return Sample((sps + PPS + IDR).ljust(size, b"\x55"), int(second * 1e6), keyframe=True)


def picture(second: float, size: int = 50) -> Sample:
    return Sample(b"\0\0\0\1\x41".ljust(size, b"\x55"), int(second * 1e6))


def sound(second: float) -> Sample:
    return Sample(bytes(80), int(second * 1e6), video=False)


def times(samples: tuple[Sample, ...]) -> list[float]:
    return [sample.time_us / 1e6 for sample in samples]


def filled(ring: Ring, seconds: int, *, every: int = 2) -> Ring:
    for second in range(seconds):
        ring.add(key(second) if second % every == 0 else picture(second))
    return ring


def test_it_begins_with_a_keyframe_and_keeps_its_seconds() -> None:
    ring = Ring(5, 10_000)
    ring.add(picture(-1))
    ring.add(sound(-0.5))
    assert ring.since(9) == ()
    filled(ring, 20)
    kept = ring.since(100)
    assert kept[0].keyframe
    assert times(kept) == [14, 15, 16, 17, 18, 19], "the group of 14 is needed for the fifth second before 19"


def test_a_clip_begins_with_the_keyframe_before_the_wanted_time() -> None:
    ring = filled(Ring(60, 10_000), 20)
    assert times(ring.since(3)) == [16, 17, 18, 19]
    assert times(ring.since(4)) == [14, 15, 16, 17, 18, 19]
    assert times(ring.since(0)) == [18, 19]
    assert len(ring.since(1000)) == 20, "all there is"


def test_sound_is_kept_with_its_pictures() -> None:
    ring = Ring(10, 10_000)
    for sample in (key(0), sound(0.1), picture(1), sound(1.1)):
        ring.add(sample)
    assert times(ring.since(10)) == [0, 0.1, 1, 1.1]
    assert ring.seconds == 1


def test_pictures_of_another_size_replace_all_before() -> None:
    ring = filled(Ring(60, 10_000), 6)
    ring.add(key(6, sps=LARGER))
    assert times(ring.since(60)) == [6]


def test_a_group_that_grows_too_long_asks_for_a_keyframe() -> None:
    ring, wants = Ring(5, 10_000), []
    for sample in (key(0), picture(4), picture(5), key(6), picture(7), picture(8, size=5_000), key(9)):
        ring.add(sample)
        wants.append(ring.wants_keyframe)
    assert wants == [False, False, True, False, False, True, False], "too long at 5 s, half of all bytes at 8 s"


def test_nothing_is_left_after_clearing() -> None:
    ring = filled(Ring(60, 10_000), 6)
    ring.clear()
    assert (ring.size, ring.seconds, ring.since(60), ring.wants_keyframe) == (0, 0.0, (), False)
    ring.add(picture(7))
    assert ring.size == 0, "no decoder could begin with it"


def test_parameter_sets_are_found_behind_other_units_and_with_short_start_codes() -> None:
    delimiter, sei = b"\0\0\0\1\x09\x10", b"\0\0\1\x06\x05\x01\x80"
    assert parameter_sets(delimiter + sei + SPS + PPS + IDR) == SPS[4:] + PPS[4:]
    assert parameter_sets(SPS[1:] + PPS[1:] + IDR[1:]) == SPS[4:] + PPS[4:]
    assert parameter_sets(IDR) == b""
    assert parameter_sets(b"") == b""
    assert parameter_sets(b"\0\0\1") == b""


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3000), st.floats(0.01, 3)), max_size=200))
def test_it_never_holds_more_than_its_bytes_and_always_begins_with_a_keyframe(
    frames: list[tuple[bool, int, float]],
) -> None:
    ring, now = Ring(5, 8_000), 0.0
    for keyframe, size, step in frames:
        now += step
        ring.add(key(now, size) if keyframe else picture(now, size))
        kept = ring.since(1000)
        assert ring.size == sum(len(sample.data) for sample in kept) <= 8_000
        assert not kept or kept[0].keyframe

"""Who is heard where, and who falls silent for whom: each cell of the mixer's table, seen at its outputs."""

from __future__ import annotations

import itertools

import pytest

from robot_node.core.media import (
    SAMPLE_RATE,
    SpeechFrame,
)
from robot_node.core.mixer import SILENCED_BY, Input, Output, Peer, Route, Taken
from tests.core.mixer_rig import LOUD, Rig

QUIET = bytes(1920)


ROUTES = frozenset(Route(source, to) for source, to in itertools.product(Input, Output))

SILENT_AFTER_S: dict[Route, dict[Input, float]] = {
    Route(Input.CALL, Output.LOUDSPEAKER): {Input.SPEECH: 0.0},
    Route(Input.CALL, Output.MOUTH): {Input.SPEECH: 0.0},
    Route(Input.VIEWER, Output.LOUDSPEAKER): {Input.SPEECH: 0.0},
    Route(Input.VIEWER, Output.MOUTH): {Input.SPEECH: 0.0},
    Route(Input.VIEWER, Output.RECOGNITION): {Input.SPEECH: 0.0},
    Route(Input.MICROPHONE, Output.PEERS): {Input.SPEECH: 0.0},
    Route(Input.MICROPHONE, Output.RECOGNITION): {Input.SPEECH: 0.4, Input.CALL: 0.4, Input.VIEWER: 1.0},
    Route(Input.MICROPHONE, Output.WAKE_WORD): {Input.CALL: 0.4, Input.VIEWER: 1.0},
}
"""For how long a route is silent after others have sounded. All that is not here is heard beside the others."""


@pytest.mark.parametrize("route", SILENCED_BY, ids=".".join)
def test_each_route_carries_its_sound(route: Route) -> None:
    assert Rig().sends(route)


@pytest.mark.parametrize("route", sorted(ROUTES - SILENCED_BY.keys()), ids=".".join)
def test_there_is_no_other_route(route: Route) -> None:
    assert not Rig().sends(route)


@pytest.mark.parametrize(
    ("route", "other"),
    [(route, other) for route in SILENCED_BY for other in Input if other is not route.source],
    ids=lambda value: ".".join(value) if isinstance(value, Route) else str(value),
)
def test_a_route_is_silent_while_certain_others_sound_and_for_a_time_after(route: Route, other: Input) -> None:
    rig, silent_s = Rig(), SILENT_AFTER_S.get(route, {}).get(other)
    rig.sends(Route(other, Output.MOUTH))
    assert rig.sends(route) is (silent_s is None)
    if other is Input.SPEECH:
        rig.clock.seconds += 10
        assert rig.sends(route) is (silent_s is None)
        rig.mixer.end_speech()
    if silent_s:
        rig.clock.seconds += silent_s - 0.01
        assert not rig.sends(route)
        rig.clock.seconds += 0.02
    assert rig.sends(route)


def test_a_viewer_who_is_not_recognised_silences_the_microphone_no_longer_than_its_echo_lasts() -> None:
    rig = Rig(recognised=frozenset({Input.MICROPHONE}))
    rig.sends(Route(Input.VIEWER, Output.LOUDSPEAKER))
    rig.clock.seconds += 0.41
    assert rig.sends(Route(Input.MICROPHONE, Output.RECOGNITION))


def test_a_viewer_that_no_loudspeaker_plays_goes_before_the_microphone_all_the_same() -> None:
    rig = Rig(loudspeaker=False)
    rig.sends(Route(Input.VIEWER, Output.RECOGNITION))
    rig.clock.seconds += 0.99
    assert not rig.sends(Route(Input.MICROPHONE, Output.RECOGNITION))


def test_silence_silences_nobody() -> None:
    rig = Rig()
    rig.mixer.play(Peer(Input.VIEWER), QUIET)
    assert rig.sends(Route(Input.MICROPHONE, Output.RECOGNITION))


def test_peers_cannot_silence_the_robot() -> None:
    rig, viewer = Rig(), Peer(Input.VIEWER)
    rig.mixer.play(viewer, LOUD)
    rig.sends(Route(Input.SPEECH, Output.LOUDSPEAKER))
    rig.mixer.flush(viewer)
    assert len(rig.loudspeaker.played) == 2
    rig.mixer.end_speech()
    rig.mixer.flush(viewer)
    assert rig.loudspeaker.played == []


def test_speech_that_is_cut_short_is_heard_no_longer() -> None:
    rig = Rig()
    rig.sends(Route(Input.SPEECH, Output.LOUDSPEAKER))
    rig.mixer.end_speech(flush=True)
    assert rig.loudspeaker.played == []
    assert not rig.mixer.speaking


def test_the_voice_takes_the_place_of_the_microphone_and_time_goes_on() -> None:
    rig = Rig()
    start = 100 * SAMPLE_RATE
    for number, timestamp in enumerate((0, 960, 4800), start=1):  # it was closed before the third
        rig.microphone.hear(f"room {number}".encode(), start + timestamp)
    rig.clock.seconds = 101.0
    rig.mixer.begin_speech()
    rig.mixer.speak(SpeechFrame(LOUD, b"voice 1", 0.5), 101.0)
    rig.microphone.hear(b"room 4", start + SAMPLE_RATE)
    rig.mixer.speak(SpeechFrame(LOUD, b"voice 2", 0.5), 101.02)  # it is sent ahead of time
    rig.mixer.end_speech()
    rig.microphone.hear(b"room 5", start + SAMPLE_RATE + 480)
    rig.microphone.hear(b"room 6", start + SAMPLE_RATE + 480 + 960)
    assert [(packet.data, packet.timestamp - start) for packet in rig.packets] == [
        (b"room 1", 0),
        (b"room 2", 960),
        (b"room 3", 4800),
        (b"voice 1", SAMPLE_RATE),
        (b"voice 2", SAMPLE_RATE + 960),
        (b"room 5", SAMPLE_RATE + 2 * 960),
        (b"room 6", SAMPLE_RATE + 3 * 960),
    ]


@pytest.mark.parametrize("microphone", [True, False])
def test_nothing_is_sent_to_peers_while_none_listens(microphone: bool) -> None:
    rig = Rig(microphone=microphone)
    assert rig.mixer.has_sound_for_peers
    assert rig.microphone.listened is microphone
    rig.mixer.set_listened(False)
    assert not rig.microphone.listened
    assert not rig.sends(Route(Input.SPEECH, Output.PEERS))
    rig.mixer.set_listened(True)
    assert rig.sends(Route(Input.SPEECH, Output.PEERS))
    rig.mixer.set_sink(None)
    assert not rig.sends(Route(Input.SPEECH, Output.PEERS))


def test_the_mouth_moves_when_a_frame_is_due() -> None:
    rig = Rig()
    rig.mixer.begin_speech()
    rig.mixer.speak(SpeechFrame(LOUD, b"voice", 0.7), 100.1)
    ((delay_s, level),) = rig.mouth
    assert delay_s == pytest.approx(0.1)
    assert level == 0.7


def test_what_the_microphone_hears_before_and_after_others_is_not_one_utterance() -> None:
    rig, viewer = Rig(), Peer(Input.VIEWER, "anna")
    rig.sends(Route(Input.MICROPHONE, Output.RECOGNITION))
    rig.mixer.play(viewer, LOUD)
    assert rig.heard == [(LOUD, ""), None, (LOUD, "anna")]
    rig.heard.clear()
    rig.clock.seconds += 2
    rig.sends(Route(Input.MICROPHONE, Output.RECOGNITION))
    rig.sends(Route(Input.SPEECH, Output.LOUDSPEAKER))
    rig.mixer.end_speech()
    rig.clock.seconds += 2
    rig.sends(Route(Input.MICROPHONE, Output.RECOGNITION))
    assert rig.heard == [(LOUD, ""), None, (LOUD, "")]
    rig.heard.clear()
    rig.mixer.leave(viewer)
    rig.sends(Route(Input.CALL, Output.LOUDSPEAKER))
    for _ in range(2):
        rig.sends(Route(Input.MICROPHONE, Output.RECOGNITION))
    assert rig.heard == [None]


def test_a_viewer_who_leaves_has_ended_its_utterance() -> None:
    rig, viewer = Rig(), Peer(Input.VIEWER, "anna")
    rig.mixer.play(viewer, LOUD)
    rig.mixer.play(viewer, QUIET)
    rig.mixer.flush(viewer)
    *_, last = rig.heard
    assert last is not None
    assert (last[1], any(last[0])) == ("anna", False)
    assert len(last[0]) >= SAMPLE_RATE  # half a second and more of silence
    rig.clock.seconds += 0.41  # the echo has died away
    assert rig.sends(Route(Input.MICROPHONE, Output.RECOGNITION))


def test_one_peer_has_the_floor_until_it_leaves() -> None:
    rig = Rig()
    first, second = Peer(Input.VIEWER, "anna"), Peer(Input.CALL)
    assert rig.mixer.take_floor(first)
    assert rig.mixer.take_floor(first)
    rig.mixer.play(second, LOUD)
    assert not rig.mixer.take_floor(second)
    rig.mixer.leave(second)
    assert not rig.mixer.take_floor(second)
    rig.mixer.play(first, LOUD)
    rig.mixer.flush(second)
    assert rig.loudspeaker.played == [LOUD]
    rig.mixer.leave(first)
    rig.mixer.play(second, LOUD)
    assert rig.mixer.take_floor(second)
    assert rig.loudspeaker.played == [LOUD, LOUD]


def test_it_is_told_when_the_floor_is_taken_and_when_it_is_free_again() -> None:
    rig, first, second = Rig(), Peer(Input.VIEWER, "anna"), Peer(Input.VIEWER, "ben")
    rig.mixer.play(first, LOUD)
    rig.mixer.play(first, LOUD)
    rig.mixer.play(second, LOUD)
    rig.mixer.leave(second)
    assert rig.floor == [True]
    rig.mixer.leave(first)
    assert rig.floor == [True, False]
    rig.mixer.play(second, LOUD)
    rig.mixer.stop_peer()
    assert rig.floor == [True, False, True, False]


@pytest.mark.parametrize(
    ("loudspeaker", "recognised", "viewer_may_speak", "accepted"),
    [
        (True, frozenset({Input.VIEWER}), True, {Input.VIEWER, Input.CALL}),
        (True, frozenset({Input.VIEWER}), False, {Input.CALL}),
        (True, frozenset(), True, {Input.VIEWER, Input.CALL}),
        (False, frozenset({Input.VIEWER}), True, {Input.VIEWER}),
        (False, frozenset({Input.MICROPHONE}), True, set()),
    ],
)
def test_peers_are_accepted_when_they_may_be_heard_somewhere(
    loudspeaker: bool, recognised: frozenset[Input], viewer_may_speak: bool, accepted: set[Input]
) -> None:
    mixer = Rig(loudspeaker=loudspeaker, recognised=recognised, viewer_may_speak=viewer_may_speak).mixer
    assert {source for source in (Input.VIEWER, Input.CALL) if mixer.accepts(source)} == accepted
    assert mixer.take_floor(Peer(Input.VIEWER)) is (Input.VIEWER in accepted)


def test_the_microphone_is_open_for_recognition_only_while_that_wants_it() -> None:
    rig, of_viewers = Rig(), Rig(recognised=frozenset({Input.VIEWER}))
    assert (rig.microphone.is_open_for_samples, of_viewers.microphone.is_open_for_samples) == (True, False)
    rig.mixer.set_recognition(None)
    assert not rig.microphone.is_open_for_samples


def test_what_a_viewer_says_to_the_robot_is_recognised_and_not_played_and_the_robot_falls_silent_for_it() -> None:
    rig, anna = Rig(), Peer(Input.VIEWER, "anna", only_recognised=True)
    assert rig.mixer.take_floor(anna)
    assert rig.mixer.take_floor(anna)
    assert rig.expected == 1
    rig.mixer.play(anna, LOUD)
    assert rig.heard[-1] == (LOUD, "anna")
    assert rig.loudspeaker.played == []
    rig.mixer.flush(anna)
    rig.mixer.leave(anna)
    assert rig.heard[-1] == (bytes(2 * SAMPLE_RATE), "anna"), "its end is heard at once"


def test_who_speaks_to_a_robot_that_recognises_no_viewers_does_not_get_the_floor() -> None:
    rig, anna = Rig(recognised=frozenset({Input.MICROPHONE})), Peer(Input.VIEWER, "anna", only_recognised=True)
    assert not rig.mixer.take_floor(anna)
    rig.mixer.play(anna, LOUD)
    assert (rig.heard, rig.loudspeaker.played) == ([], [])
    assert rig.mixer.take_floor(Peer(Input.VIEWER, "ben"))


@pytest.mark.parametrize("only_recognised", [True, False])
def test_what_becomes_of_the_sound_of_a_viewer(only_recognised: bool) -> None:
    rig, anna = Rig(), Peer(Input.VIEWER, "anna", only_recognised)
    assert rig.mixer.taken(anna) is Taken.NO
    rig.mixer.take_floor(anna)
    assert rig.mixer.taken(anna) is Taken.YES
    rig.mixer.begin_speech()
    assert rig.mixer.taken(anna) is Taken.WAITS
    rig.mixer.end_speech()
    assert rig.mixer.taken(anna) is Taken.YES
    rig.mixer.stop_peer()
    assert rig.mixer.taken(anna) is Taken.STOPPED

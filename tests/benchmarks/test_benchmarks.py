"""Each benchmark, as a person runs it, with small numbers: it measures and prints one line. No figure is judged."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.benchmarks.running import LIMIT_S, run

pytestmark = pytest.mark.timeout(LIMIT_S + 60)

_MODULES = (
    "viewers",
    "crowd",
    "grid",
    "first_frame",
    "latency",
    "glass",
    "control_under_load",
    "conversation",
    "tool_call",
    "tool_list",
    "fleet",
    "face",
    "motion",
    "page_load",
    "page_photo",
    "pauses",
    "recording",
    "soak",
    "startup",
    "recovery",
    "voice",
    "worst_input",
)


@pytest.mark.slow
def test_crowd_counts_what_reaches_subscribers_and_the_robots_own_viewers() -> None:
    result = run("crowd", "--quick")
    assert set(result["behind_janus"]) == {"0", "1", "6"}
    assert all(load["uplink_kbit_per_s"] > 0 for load in result["behind_janus"].values())
    assert result["behind_janus"]["6"]["min_fps"] > 0
    assert result["by_itself"]["3"]["min_fps"] > 0
    assert result["janus_cores_per_subscriber"] > 0


@pytest.mark.slow
def test_grid_measures_the_small_video_and_what_could_be_sent_instead() -> None:
    result = run("grid", "--quick")
    assert set(result["small"]) == {"1", "2"}
    for way in (*result["small"].values(), result["whole"]):
        assert way["min_fps"] > 0
        assert way["kbit_per_s"] > 0
    assert result["pictures"]["2"]["fps"] > 0


@pytest.mark.slow
def test_viewers_counts_frames_of_both_senders_and_compares_what_a_viewer_costs() -> None:
    result = run("viewers", "--quick")
    assert result["viewers"] == 3
    assert result["min_fps"] > 0  # it is watched; how smoothly is no matter of a test
    assert result["marginal_cpu_ratio"] == pytest.approx(
        result["cores_per_viewer"] / result["stock_cores_per_viewer"], abs=0.001
    )
    assert set(result["robot"]) == {"1", "3"}
    assert set(result["stock"]) == {"1", "2"}
    for sender in (result["robot"], result["stock"]):
        assert all(load["cores"] > 0 and load["min_fps"] > 0 and load["kbit_per_s"] > 0 for load in sender.values())


@pytest.mark.slow
def test_first_frame_times_joins_to_a_running_stream_with_a_dead_stun_server_and_to_a_cold_camera() -> None:
    result = run("first_frame", "--quick")
    assert result["joins"] == 2
    for case in ("", "dead_stun_", "cold_"):
        assert 0 < result[f"{case}p50_ms"] <= result[f"{case}p95_ms"]


@pytest.mark.slow
def test_latency_finds_every_frame_again_and_its_stages_make_up_the_whole() -> None:
    result = run("latency", "--quick")
    assert result["frames"] + result["unread_frames"] == 30
    assert result["frames"] > 0
    assert sum(stage["share"] for stage in result["stages"].values()) == pytest.approx(1, abs=0.01)
    assert all(stage["p50_ms"] > 0 for stage in result["stages"].values())
    assert 0 < result["p50_without_jitter_buffer_ms"] < result["p50_ms"] <= result["p95_ms"]


@pytest.mark.slow
def test_glass_reads_the_capture_time_of_what_both_browsers_paint_also_after_pauses() -> None:
    result = run("glass", "--quick")
    for figures in (result["chromium"], result["firefox"]):
        assert figures["frames"] > 0
        assert 0 < figures["p50_ms"] <= figures["refresh_p50_ms"]
        assert {"hidden_back_ms", "dropped_back_ms", "held_back_ms"} <= set(figures)


@pytest.mark.slow
def test_page_load_times_the_page_until_it_can_be_used() -> None:
    result = run("page_load", "--quick")
    assert result["loads"] == 2
    assert 0 < result["usable_min_ms"] <= result["usable_p50_ms"]
    assert 0 < result["script_p50_ms"] < result["listed_p50_ms"] <= result["usable_p50_ms"]
    assert result["throttled_ratio"] == pytest.approx(result["usable_p50_ms"] / result["unthrottled_p50_ms"], abs=0.02)
    assert min(result["cpu_p50_ms"], result["listener_p50_ms"]) > 0
    assert 100 < result["loaded_kb"] < 400


@pytest.mark.slow
def test_page_photo_times_photos_on_the_page_by_both_ways_to_the_broker() -> None:
    result = run("page_photo", "--quick")
    assert result["photos"] == 2
    assert result["door_ratio"] == pytest.approx(result["door_p50_ms"] / result["listener_p50_ms"], abs=0.01)
    assert 0 < result["door_p50_ms"] <= result["door_p95_ms"]
    assert result["agent_p50_ms"] > 0
    assert result["photo_kb"] > 50


@pytest.mark.slow
def test_control_under_load_calls_with_and_without_viewers_who_really_watch() -> None:
    result = run("control_under_load", "--quick")
    assert result["calls"] == 40
    assert result["min_fps"] > 0  # it is watched; how smoothly is no matter of a test
    assert result["p99_ratio"] == pytest.approx(result["watched_p99_ms"] / result["p99_ms"], abs=0.01)


@pytest.mark.slow
def test_pauses_times_photos_in_full_size_and_new_sizes() -> None:
    result = run("pauses", "--quick")
    assert result["photos"] == 2
    assert result["sensor_ms"] < result["photo_pause_ms"] <= result["worst_photo_pause_ms"]
    assert result["set_video_pause_ms"] > 0


@pytest.mark.slow
def test_tool_call_compares_with_an_echo_and_with_the_other_ways_of_calling() -> None:
    result = run("tool_call", "--calls", "10")
    assert result["calls"] == 10
    p50 = result["p50_ms"]
    assert result["p50_ratio_to_echo"] == pytest.approx(p50 / result["echo_p50_ms"], abs=0.02)
    floor = result["echo_p50_ms"] + result["memory_p50_ms"]
    assert result["p50_ratio_to_floor"] == pytest.approx(p50 / floor, abs=0.02)
    assert result["p50_ratio_to_stdio"] == pytest.approx(p50 / result["stdio_p50_ms"], abs=0.02)
    assert result["qos1_ratio"] == pytest.approx(result["qos1_p50_ms"] / p50, abs=0.02)
    ways = {"memory", "stdio", "http", "mqtt", "mqtt_qos1"}
    assert set(result["first_result_ms"]) == ways
    assert set(result["at_once_ms"]) == ways | {"echo", "adapted_echo"}
    assert result["at_once"] == 16
    assert all(time > 0 for time in (*result["first_result_ms"].values(), *result["at_once_ms"].values()))


@pytest.mark.slow
def test_tool_list_of_two_robots_is_hardly_longer_than_that_of_one() -> None:
    result = run("tool_list")
    assert result["bridge_two_tools"] == result["bridge_one_tools"] == result["robot_tools"] + 1
    assert result["robot_bytes"] <= 6000
    assert result["robot_bytes"] < result["bridge_one_bytes"] < result["bridge_two_bytes"] <= 9000


@pytest.mark.slow
def test_fleet_sees_every_robot_and_calls_one_among_the_others_and_one_alone() -> None:
    result = run("fleet", "--robots", "10", "--calls", "40", "--seconds", "1", "--presences", "30", "--agents", "3")
    assert result["robots"] == 10
    assert result["calls"] == 40
    assert result["discover_all_ms"] > 0
    assert result["start_s"] > 0
    assert abs(result["idle_bytes_per_s"]) < 100  # a ping, if at all; announcing itself takes a robot some hundreds
    assert result["p99_ratio"] == pytest.approx(result["p99_ms"] / result["alone_p99_ms"], abs=0.01)
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert 0 < result["alone_p50_ms"] <= result["alone_p99_ms"]
    assert (result["presences"], result["agents"]) == (30, 3)
    assert result["presences_discover_ms"] > 0
    assert result["arrival_ms"] > 0
    assert 0 < result["agents_p50_ms"] <= result["agents_p99_ms"]
    assert result["broker_mib"] > 0


@pytest.mark.slow
def test_face_sends_less_than_whole_pictures_and_the_slow_bus_carries_fewer() -> None:
    result = run("face", "--quick")
    assert set(result["ratios"]) == {"idle", "transitions", "talking"}
    assert 0 < result["bytes_ratio"] < 1
    assert 0 < result["fps_100khz"] <= result["fps_400khz"] <= 30
    assert result["whole_fps_100khz"] == pytest.approx(result["whole_fps_400khz"] / 4, abs=0.1)
    assert result["cpu_ms"] > 0


@pytest.mark.slow
def test_conversation_measures_cpu_events_and_wake_words() -> None:
    result = run("conversation", "--quick", "--noise", "15", "--sounds", "/usr/share/sounds/alsa")
    assert result["idle_core_percent"] > 0
    assert result["event_p50_ms"] > 0
    assert result["understood"] == "2 of 2"
    assert result["wake_words"]["okay_nabu"]["said"] == 2
    assert result["other_sound_s"] > 3
    words = result["word_errors"]["alsa-utils"]
    assert 0 <= words["phrases"]["rate"] < 1
    assert words["free_at_15_db"]["words"] == words["free"]["words"] == 4
    assert words["free"]["cpu_s_per_s"] > 0
    assert result["interrupted_by_itself"] == "0 of 1"
    assert result["false_accepts"]["okay_nabu"] == 0
    in_noise = result["in_noise"]["fan"]["15_db"]
    assert (in_noise["phrases"], in_noise["turns"], in_noise["interruptions"]) == ("2 of 2",) * 3
    assert (in_noise["alone"], in_noise["by_itself"]) == (0, 0)


@pytest.mark.slow
def test_voice_measures_how_soon_a_voice_speaks() -> None:
    result = run("voice", "--quick")
    assert result["engine"] == "espeak-ng"
    assert 0 < result["next_p50_ms"] <= result["next_p95_ms"]


@pytest.mark.slow
def test_motion_counts_what_is_found_and_what_it_costs() -> None:
    result = run("motion", "--quick")
    assert 0 < result["recall"] <= 1
    assert 0 < result["precision"] <= 1
    assert set(result["by_noise"]) == {"6"}
    assert result["core_percent"] > 0


@pytest.mark.slow
def test_startup_compares_times_and_memory_with_what_only_imports() -> None:
    result = run("startup", "--quick")
    assert result["starts"] == 1
    assert result["presence_ratio"] == pytest.approx(result["presence_s"] / result["import_mcp_s"], abs=0.01)
    assert 0 < result["presence_s"] < result["first_photo_s"]
    assert result["idle_memory_ratio"] == pytest.approx(result["idle_mib"] / result["imports_mib"], abs=0.01)
    assert 0 < result["idle_mib"] < result["viewer_mib"]


@pytest.mark.slow
def test_worst_input_tries_every_kind_and_tells_the_worst_of_each() -> None:
    result = run("worst_input", "--quick")
    assert set(result["kinds"]) == {
        *("mcp_calls", "mcp_openings", "mcp_large", "mcp_flood", "mqtt_properties", "sdp", "candidates", "signalling"),
        *("backend", "data_channel", "sound", "http", "settings", "state"),
    }
    kinds = result["kinds"].values()
    assert result["worst_pause_ms"] == max(kind["worst_pause_ms"] for kind in kinds)
    assert result["worst_busy_ms"] == max(kind["worst_busy_ms"] for kind in kinds)
    assert all(kind["messages"] > 0 and kind["worst_busy_ms"] > 0 and kind["worst"] for kind in kinds)


@pytest.mark.parametrize("module", _MODULES)
def test_help_names_what_is_printed(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["", "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{module}").main()
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert f"python -m benchmarks.{module}" in shown
    assert "prints one JSON line" in shown


@pytest.mark.slow
def test_recording_compares_a_robot_with_ring_buffer_with_one_without() -> None:
    result = run("recording", "--quick")
    assert result["cores"] > 0
    assert result["expected_mib"] > 0
    assert {"cpu_ratio", "ring_cores", "recording_cores", "ring_mib"} < set(result)

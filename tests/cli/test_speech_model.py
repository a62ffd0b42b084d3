"""``robot-node speech-model``: what kind of model is in a folder, its manifest, and the settings that choose it."""

from __future__ import annotations

import base64
import tomllib
from pathlib import Path

import pytest

from robot_node.settings.loading import load_settings
from robot_node.speech.model_manifest import read_model
from robot_node.speech.recognition_engine import RecognitionOptions, UtteranceRecognizer, make_recognizer
from robot_node.speech.sherpa_kinds import KINDS
from tests.command import command
from tests.sound import tone
from tests.speech.sherpa_model import model_folder
from tests.speech.sounds import silence

ARCHIVES = {
    "moonshine": ("encoder_model.ort", "decoder_model_merged.ort", "tokens.txt"),
    "moonshine-v1": (
        "preprocess.onnx",
        "encode.int8.onnx",
        "uncached_decode.int8.onnx",
        "cached_decode.int8.onnx",
        "tokens.txt",
    ),
    "whisper": ("tiny-encoder.onnx", "tiny-decoder.onnx", "tiny-tokens.txt"),
    "transducer": (
        "encoder-epoch-99-avg-1.onnx",
        "decoder-epoch-99-avg-1.onnx",
        "joiner-epoch-99-avg-1.onnx",
        "tokens.txt",
    ),
    "nemo-transducer": ("encoder.int8.onnx", "decoder.int8.onnx", "joiner.int8.onnx", "tokens.txt"),
    "streaming-transducer": (
        "encoder-epoch-99-avg-1-chunk-16-left-128.onnx",
        "decoder-epoch-99-avg-1-chunk-16-left-128.onnx",
        "joiner-epoch-99-avg-1-chunk-16-left-128.onnx",
        "tokens.txt",
    ),
    "streaming-zipformer-ctc": ("ctc-epoch-20-avg-1-chunk-16-left-128.onnx", "tokens.txt"),
    "streaming-paraformer": ("encoder.int8.onnx", "decoder.int8.onnx", "tokens.txt"),
}
_ONE = ("model.int8.onnx", "tokens.txt")
"""The names of the files in archives that sherpa-onnx publishes, of the kinds that are not of one file."""


def put(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_written_with_its_files(tmp_path: Path, kind: str) -> None:
    folder = put(tmp_path / "english", *ARCHIVES.get(kind, _ONE), "README.md")
    (folder / "test_wavs").mkdir()
    assert command("speech-model", str(folder), "--kind", kind).status == 0
    model = read_model(folder)  # with size and SHA-256
    assert (model.name, model.kind, model.language) == ("english", kind, "en")
    assert {path.name for path in model.files.values()} == set(ARCHIVES.get(kind, _ONE))


@pytest.mark.parametrize("kind", ["moonshine", "moonshine-v1", "whisper", "streaming-paraformer"])
def test_a_kind_is_seen_by_the_names_of_its_files(tmp_path: Path, kind: str) -> None:
    put(tmp_path, *ARCHIVES[kind])
    done = command("speech-model", str(tmp_path), "--name", "Of a friend", "--language", "de-AT")
    assert done.status == 0
    model = read_model(tmp_path)
    assert (model.name, model.kind, model.language) == ("Of a friend", kind, "de-AT")


def test_the_lines_for_the_settings_choose_the_model_and_it_is_heard_with(tmp_path: Path) -> None:
    (model_folder(tmp_path / "tones") / "model.toml").unlink()
    done = command("speech-model", str(tmp_path / "tones"), "--kind", "zipformer-ctc")
    (tmp_path / "robot.toml").write_text(done.stdout + '[audio]\nmicrophone = "default"\n')
    hearing = load_settings(tmp_path / "robot.toml").hearing
    assert (hearing.engine, hearing.voice_activity) == ("sherpa-onnx", "silero")
    recognizer = make_recognizer(hearing.engine, RecognitionOptions(model=str(hearing.model)))
    assert isinstance(recognizer, UtteranceRecognizer)
    recognizer.begin_utterance()
    recognizer.add(silence(0.5) + tone(300, 0.5) + silence(0.5))
    heard = recognizer.end_utterance()
    assert heard is not None
    assert heard.text == "yes"


def test_of_two_precisions_the_smaller_is_taken_and_another_file_can_be_named(tmp_path: Path) -> None:
    put(tmp_path, "tiny-encoder.int8.onnx", "tiny-decoder.int8.onnx", *ARCHIVES["whisper"], "other.txt")
    assert command("speech-model", str(tmp_path), "--file", "tokens=other.txt").status == 0
    files = {part: path.name for part, path in read_model(tmp_path).files.items()}
    assert files == {
        "encoder": "tiny-encoder.int8.onnx",
        "decoder": "tiny-decoder.int8.onnx",
        "tokens": "other.txt",
    }


def test_the_tokens_of_moonshine_are_made_of_its_tokenizer(tmp_path: Path) -> None:
    long = b"x" * 200
    put(tmp_path, *ARCHIVES["moonshine"][:2])
    (tmp_path / "tokenizer.bin").write_bytes(b"\x05<unk>\x00\x02 a\xc8\x01" + long)
    assert command("speech-model", str(tmp_path)).status == 0
    lines = [line.split(" ") for line in (tmp_path / "tokens.txt").read_text().splitlines()]
    assert [int(number) for _, number in lines] == [0, 1, 2, 3]
    assert [base64.b64decode(token) for token, _ in lines] == [b"<unk>", b"", b" a", long]
    assert tomllib.loads((tmp_path / "model.toml").read_text())["files"]["tokens"]["file"] == "tokens.txt"


@pytest.mark.parametrize(
    ("names", "arguments", "reason"),
    [
        ((), (), "The files of a model are not seen in"),
        (ARCHIVES["whisper"], ("--kind", "transducer"), "joiner"),
        (ARCHIVES["whisper"], ("--kind", "oracle"), "no kind 'oracle'"),
        (_ONE, (), "--kind zipformer-ctc or nemo-ctc or sense-voice or paraformer or streaming-"),
        (ARCHIVES["transducer"], (), "--kind transducer or nemo-transducer or streaming-transducer"),
        ((*ARCHIVES["whisper"], "base-encoder.onnx"), (), "--file encoder=base-encoder.onnx"),
        (ARCHIVES["whisper"], ("--file", "tokens=absent.txt"), "The files of a model are not seen in"),
        (ARCHIVES["whisper"], ("--file", "tokens"), "PART=FILE"),
        ((*ARCHIVES["whisper"], "model.toml"), (), "there already"),
        ((*ARCHIVES["moonshine"][:2], "tokenizer.bin"), (), "is not the tokenizer"),
    ],
)
def test_what_is_missing_or_may_be_several_things_is_explained(
    tmp_path: Path, names: tuple[str, ...], arguments: tuple[str, ...], reason: str
) -> None:
    put(tmp_path, *names)
    before = set(tmp_path.iterdir())
    done = command("speech-model", str(tmp_path), *arguments)
    assert (done.status, done.stdout) == (1, "")
    assert reason in done.stderr
    assert set(tmp_path.iterdir()) == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = command("speech-model", str(tmp_path / "absent"))
    assert done.status == 1
    assert f"{tmp_path / 'absent'}: No such file or directory." in done.stderr

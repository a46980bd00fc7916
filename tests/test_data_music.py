"""Music to train on: corpora, scores, and what FluidSynth makes of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from caesura.audio import Audio, read, write
from caesura.cli import main
from caesura.data import music, render
from caesura.data.music import MANIFEST, Corpus, prepare, recordings
from caesura.data.render import draw_take, find_fluidsynth, find_soundfonts
from caesura.data.scores import DRUMS, Event, Score, excerpt, played, read_score, write_score

RATE = 8000

TEMPO = bytes((0xFF, 0x51, 3))
SCORE = Score(
    480,
    (
        Event(0, TEMPO + (500_000).to_bytes(3)),
        Event(0, bytes((0xC0, 40))),
        Event(0, bytes((0xB0, 7, 100))),
        Event(0, bytes((0x90, 60, 64))),
        Event(480, bytes((0x80, 60, 0))),
        Event(480, bytes((0x90, 64, 80))),
        Event(480, bytes((0x99, 38, 90))),
        Event(960, TEMPO + (1_000_000).to_bytes(3)),
        Event(960, bytes((0x90, 64, 0))),
        Event(960, bytes((0x90, 67, 100))),
        Event(1440, bytes((0x80, 67, 0))),
    ),
)


def tone(folder: Path, name: str, seconds: float, level: float = 0.5, rate: int = RATE, channels: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    x = level * np.sin(2 * np.pi * 440.0 * np.arange(round(seconds * rate)) / rate)
    write(folder / name, Audio(np.tile(x, (channels, 1)), rate), subtype="PCM_16")
    return folder / name


def test_a_folder_holds_every_sound_file_below_it(tmp_path: Path) -> None:
    files = {tone(tmp_path, "a.wav", 1.0), tone(tmp_path / "deep" / "er", "b.flac", 1.0)}
    (tmp_path / "notes.txt").write_text("no sound")
    assert set(recordings(tmp_path)) == files


def test_musicnet_and_maestro_have_splits(tmp_path: Path) -> None:
    train, test = tone(tmp_path / "train_data", "1.wav", 1.0), tone(tmp_path / "test_data", "2.wav", 1.0)
    assert recordings(tmp_path, "musicnet") == (train,)
    assert recordings(tmp_path, "musicnet", "test") == (test,)
    (tmp_path / "maestro-v3.0.0.csv").write_text(
        "split,audio_filename\ntrain,train_data/1.wav\ntest,test_data/2.wav\n", encoding="utf-8"
    )
    assert recordings(tmp_path, "maestro") == (train,)
    assert recordings(tmp_path, "maestro", "test") == (test,)


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no sound files of layout folder"):
        recordings(tmp_path)
    with pytest.raises(ValueError, match=r"there is no maestro-\*\.csv"):
        recordings(tmp_path, "maestro")


def test_crops_are_uniform_in_duration(tmp_path: Path) -> None:
    files = (tone(tmp_path, "long.wav", 9.0, 0.5), tone(tmp_path, "short.wav", 3.0, 0.1))
    corpus, rng = Corpus(files, RATE), np.random.default_rng(0)
    loud = sum(corpus.crop(1000, rng, vary=False).std() > 0.2 for _ in range(400))
    # 3/4 expected apart from the crop's own length; the standard error is 0.022
    assert loud / 400 == pytest.approx(0.75, abs=0.08)


def test_gain_and_polarity_vary(tmp_path: Path) -> None:
    corpus, rng = Corpus((tone(tmp_path, "a.wav", 2.0, 0.1),), RATE), np.random.default_rng(0)
    plain = corpus.crop(800, np.random.default_rng(7), vary=False)
    varied = corpus.crop(800, np.random.default_rng(7))
    np.testing.assert_allclose(varied, float(varied @ plain / (plain @ plain)) * plain)
    levels = np.array([corpus.crop(800, rng).std() for _ in range(50)])  # 44 periods and a bit: one level
    assert levels.max() / levels.min() > 4.0
    assert levels.max() / levels.min() < 10.0 ** (24.0 / 20.0) * 1.01


@pytest.mark.parametrize("rate", [RATE, 11025, 6000])
def test_a_crop_has_its_length_and_its_pitch_at_every_rate(tmp_path: Path, rate: int) -> None:
    corpus = Corpus((tone(tmp_path, f"{rate}.wav", 3.0, rate=rate, channels=2),), RATE)
    for seed in range(5):
        x = corpus.crop(4000, np.random.default_rng(seed), vary=False)
        assert x.shape == (4000,)
        spectrum = np.abs(np.fft.rfft(x * np.hanning(4000)))
        assert spectrum.argmax() * RATE / 4000 == pytest.approx(440.0, abs=2.0)
        assert x.std() == pytest.approx(0.5 / np.sqrt(2.0), rel=0.02)


def test_a_corpus_of_short_files_is_refused(tmp_path: Path) -> None:
    corpus = Corpus((tone(tmp_path, "a.wav", 0.5),), RATE)
    with pytest.raises(ValueError, match=r"no file is as long as 1\.00 s"):
        corpus.crop(8000, np.random.default_rng(0))


def test_a_score_survives_writing(tmp_path: Path) -> None:
    write_score(tmp_path / "a.mid", SCORE)
    assert read_score(tmp_path / "a.mid") == SCORE


def test_running_status_and_several_tracks_are_read(tmp_path: Path) -> None:
    first = bytes((0, 0x90, 60, 64, 0x60, 60, 0, 0, 0xFF, 0x2F, 0))
    second = bytes((0, 0xF0, 2, 1, 0xF7, 0x30, 0xC1, 5, 0, 0xFF, 0x01, 1, 65, 0, 0xFF, 0x2F, 0))
    tracks = b"".join(b"MTrk" + len(track).to_bytes(4) + track for track in (first, second))
    (tmp_path / "a.mid").write_bytes(b"MThd" + bytes((0, 0, 0, 6, 0, 1, 0, 2, 0, 96)) + tracks)
    assert read_score(tmp_path / "a.mid").events == (
        Event(0, bytes((0x90, 60, 64))),
        Event(0x30, bytes((0xC1, 5))),
        Event(0x60, bytes((0x90, 60, 0))),
    )


def test_time_follows_the_tempo() -> None:
    assert SCORE.seconds(960) == 1.0
    assert SCORE.seconds(1440) == 2.0
    assert SCORE.seconds(1440, 720) == 1.25


def test_an_excerpt_keeps_what_holds_and_ends_what_sounds() -> None:
    cut = excerpt(SCORE, 240, 0.6)  # in the first note, to the middle of the second
    data = [event.data for event in cut.events]
    assert bytes((0xC0, 40)) in data
    assert bytes((0xB0, 7, 100)) in data
    assert bytes((0x90, 60, 64)) not in data
    assert bytes((0x80, 60, 0)) not in data
    assert [event.tick for event in cut.events if event.sounds] == [240, 240]
    ended = {(e.channel, e.data[1]) for e in cut.events if e.kind == 0x80}
    assert ended == {(0, 64), (9, 38)}


def test_playing_changes_what_it_should() -> None:
    rng = np.random.default_rng(0)
    other = played(SCORE, programs={0: 73}, transpose=5, tempo=2.0, velocity=0.5, jitter=0.0, rng=rng)
    notes = [event for event in other.events if event.sounds]
    assert [event.data[1] for event in notes if event.channel != DRUMS] == [65, 69, 72]
    assert [event.data[1] for event in notes if event.channel == DRUMS] == [38]
    assert [event.data[2] for event in notes if event.channel != DRUMS] == [32, 40, 50]
    assert {event.data[1] for event in other.events if event.kind == 0xC0} == {73}
    assert other.seconds(1440) == 1.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"RIFF", "is not a standard MIDI file"),
        (b"MThd" + bytes((0, 0, 0, 6, 0, 2, 0, 1, 0, 96)), "has format 2"),
        (b"MThd" + bytes((0, 0, 0, 6, 0, 0, 0, 1, 0, 96)) + b"MTrk\0\0\0\3" + bytes((0, 0x90, 60)), "is damaged"),
    ],
)
def test_other_files_are_no_scores(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.mid").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_score(tmp_path / "a.mid")


def test_a_take_depends_on_its_number_only(tmp_path: Path) -> None:
    scores, fonts = [tmp_path / f"{k}.mid" for k in range(5)], [tmp_path / "font.sf2"]
    takes = [draw_take(scores, fonts, 60.0, np.random.default_rng((0, k))) for k in (0, 1, 0)]
    assert takes[0] == takes[2]
    assert takes[0] != takes[1]


def test_without_fluidsynth_the_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ValueError, match="not installed: apt install fluidsynth fluid-soundfont-gm"):
        find_fluidsynth()
    monkeypatch.setattr(render, "SOUNDFONTS", tmp_path)
    with pytest.raises(ValueError, match=r"there is no sound font in .*: apt install"):
        find_soundfonts()
    with pytest.raises(ValueError, match=r"there is no sound font 'mine\.sf2'"):
        find_soundfonts([Path("mine.sf2")])


def test_no_scores_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there are no \.mid files"):
        prepare(tmp_path / "out", tmp_path, hours=1.0, sample_rate=RATE)


def test_scores_without_notes_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "find_fluidsynth", lambda: "")
    monkeypatch.setattr(music, "find_soundfonts", lambda _: (Path("font.sf2"),))
    write_score(tmp_path / "mute.mid", Score(480, SCORE.events[:3]))
    with pytest.raises(ValueError, match="50 excerpts in a row were silent"):
        prepare(tmp_path / "out", tmp_path, hours=1.0, sample_rate=RATE)


def synthesiser_is_here() -> bool:
    return shutil.which("fluidsynth") is not None and bool(list(render.SOUNDFONTS.glob("*.sf2")))


@pytest.mark.skipif(not synthesiser_is_here(), reason="fluidsynth and a sound font are not installed")
def test_prepare_renders_mixes_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "SHORTEST", 0.1)
    scores, real, out = tmp_path / "scores", tmp_path / "real", tmp_path / "out"
    scores.mkdir()
    write_score(scores / "a.mid", SCORE)
    tone(real, "mine.wav", 1.0)
    tone(real / "by-sa", "not-mine.wav", 1.0)
    hours = prepare(out, scores, hours=1e-5, sample_rate=RATE, mix=[real])
    rows = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    assert hours == pytest.approx(sum(row["seconds"] for row in rows) / 3600.0)
    assert rows[0]["file"] == "real_mine.flac"
    assert not [row for row in rows if "not-mine" in row["file"]]
    kept = {path.name: path.read_bytes() for path in out.glob("*.flac")}
    for name in kept:
        audio = read(out / name)
        assert audio.sample_rate == RATE
        assert 0.0 < np.abs(audio.samples).max() <= 1.0
    # a line that a crash cut in half is made again, and more hours add to what is there
    (out / MANIFEST).write_text("\n".join(json.dumps(row) for row in rows[:-1]) + '\n{"file": "take')
    prepare(out, scores, hours=2.0 * rows[-1]["seconds"] / 3600.0, sample_rate=RATE, mix=[real])
    assert {name: (out / name).read_bytes() for name in kept} == kept
    assert len(list(out.glob("take_*.flac"))) > 1


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["prepare", "music", str(tmp_path / "out"), "--scores", str(tmp_path)])
    assert code == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("caesura: there are no .mid files")
    assert len(said.splitlines()) == 1

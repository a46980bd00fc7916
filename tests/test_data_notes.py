"""Notes: both layouts, what is left out, splits that share no instrument, and notes that a synthesiser plays."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from caesura.audio import Audio, write
from caesura.data import notes as data_notes
from caesura.data.notes import FAMILIES, LOWEST, PROGRAMS, Note, held_out, read_note, read_notes, render_notes

RATE = 16_000


def tone(pitch: int, seconds: float = 0.5, level: float = 0.1) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(level * np.sin(2 * np.pi * 440.0 * 2 ** ((pitch - 69) / 12) * t))


def nsynth(folder: Path, instruments: dict[str, str], pitches: tuple[int, ...] = (40, 60)) -> Path:
    """A folder in NSynth's layout: instrument -> family."""
    (folder / "audio").mkdir(parents=True)
    facts = {}
    for instrument, family in instruments.items():
        for pitch in pitches:
            key = f"{instrument}-{pitch:03d}-075"
            write(folder / "audio" / f"{key}.wav", Audio(tone(pitch)[None], RATE), subtype="PCM_16")
            facts[key] = {
                "pitch": pitch, "velocity": 75, "instrument_str": instrument, "instrument_family_str": family,
            }  # fmt: skip
    (folder / "examples.json").write_text(json.dumps({**facts, "gone-040-075": next(iter(facts.values()))}))
    return folder


def shard(path: Path, keys: dict[str, str]) -> None:
    """A tar of notes: key -> split."""
    with tarfile.open(path, "w") as tar:
        for key, split in keys.items():
            source, pitch, velocity = key.rsplit("-", 2)
            facts = {"instrument": "x", "family": "organ", "pitch": int(pitch), "velocity": int(velocity)}
            sound = io.BytesIO()
            soundfile.write(sound, tone(int(pitch)), RATE, format="FLAC")
            for suffix, data in (
                ("flac", sound.getvalue()),
                ("json", json.dumps({**facts, "source": source, "split": split}).encode()),
            ):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def frequency(x: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(x * np.hanning(x.size)))
    return float(np.argmax(spectrum) * RATE / x.size)


def test_nsynth_layout(tmp_path: Path) -> None:
    folder = nsynth(tmp_path / "nsynth", {"organ_a": "organ", "bass_a": "bass"}, (23, 24, 60, 84, 85))
    found = read_notes(folder)
    # pitches beyond 24 to 84 cannot be told, and a note without a file is not there
    assert [(note.instrument, note.pitch) for note in found] == [
        (name, pitch) for name in ("bass_a", "organ_a") for pitch in (24, 60, 84)
    ]
    assert [note.pitch for note in read_notes(folder, ["organ"])] == [24, 60, 84]
    assert found[1].labels == (60 - LOWEST, FAMILIES.index("bass"), 2)
    x = read_note(found[1])
    assert x.size == 64_000
    assert np.abs(x).max() == pytest.approx(0.891)
    assert frequency(x[:8000]) == pytest.approx(261.6, abs=2.0)
    assert not x[8100:].any()


def test_tars(tmp_path: Path) -> None:
    shard(tmp_path / "train-000.tar", {"a-060-030": "train", "a-072-120": "train"})
    shard(tmp_path / "valid-000.tar", {"b-048-064": "valid"})
    found = read_notes(tmp_path)
    assert [note.key for note in found] == ["a-060-030", "a-072-120", "b-048-064"]
    assert [note.labels[2] for note in found] == [0, 4, 2]
    for note, hertz in zip(found, (261.6, 523.3, 130.8), strict=True):
        assert frequency(read_note(note, seconds=0.5)) == pytest.approx(hertz, abs=2.0)
    learnt, measured = held_out(found, 0.0)
    assert [note.key for note in measured] == ["b-048-064"]
    assert len(learnt) == 2


def test_a_silent_note_stays_silent(tmp_path: Path) -> None:
    write(tmp_path / "x.wav", Audio(np.zeros((1, 800)), RATE), subtype="PCM_16")
    assert not read_note(Note("x", 60, 75, "organ", "x", tmp_path / "x.wav")).any()


def test_no_instrument_is_on_both_sides(tmp_path: Path) -> None:
    instruments = {f"{family}_{k}": family for family in ("organ", "bass") for k in range(5)} | {"reed_0": "reed"}
    found = read_notes(nsynth(tmp_path / "nsynth", instruments))
    sides = [held_out(found, 0.4, seed) for seed in (0, 0, 1)]
    assert sides[0] == sides[1]
    assert sides[0] != sides[2]
    learnt, measured = sides[0]
    assert not {note.instrument for note in learnt} & {note.instrument for note in measured}
    assert len(learnt) + len(measured) == len(found)
    # two of five of each family; the only reed is kept to learn from
    assert sorted(note.family for note in measured) == ["bass"] * 4 + ["organ"] * 4
    assert not held_out(found, 0.0)[1]


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no notes in"):
        read_notes(tmp_path)
    with pytest.raises(ValueError, match="family tuba is not one of bass, brass"):
        read_notes(tmp_path, ["tuba"])
    with pytest.raises(ValueError, match=r"share=1\.0 must lie in \[0, 1\)"):
        held_out([], 1.0)


def test_programs_belong_to_one_family() -> None:
    assert tuple(sorted(PROGRAMS)) == FAMILIES
    programs = [program for family in FAMILIES for program in PROGRAMS[family]]
    assert len(programs) == len(set(programs))


def test_rendering_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the synthesiser."""
    font = tmp_path / "font.sf2"
    font.touch()
    asked: list[int] = []

    def performed(font: Path, program: int, notes: list[tuple[int, int]], rate: int) -> list[np.ndarray]:
        asked.append(len(notes))
        return [tone(pitch, level=0.0 if pitch == 84 else 0.2) for pitch, _ in notes]

    monkeypatch.setattr(data_notes, "_performed", performed)
    monkeypatch.setattr(data_notes, "find_fluidsynth", lambda: "fluidsynth")
    seen: list[float] = []
    settings = {"families": ["vocal"], "velocities": [75], "soundfonts": [font]}
    assert render_notes(tmp_path / "out", pitches=[60, 84], progress=seen.append, **settings) == 3  # type: ignore[arg-type]
    assert render_notes(tmp_path / "out", pitches=[60, 72], **settings) == 6  # type: ignore[arg-type]
    assert asked == [2, 2, 2, 1, 1, 1]
    assert seen[-1] == 1.0
    found = read_notes(tmp_path / "out")
    assert {note.instrument for note in found} == {f"vocal_font_{program:03d}" for program in (52, 53, 54)}
    assert np.abs(read_note(found[0])).max() == pytest.approx(0.891)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs fluidsynth")
def test_a_synthesiser_plays_the_pitches(tmp_path: Path) -> None:
    render_notes(tmp_path / "out", pitches=[57, 69], velocities=[100], families=["flute"])
    found = [note for note in read_notes(tmp_path / "out") if note.instrument.endswith("_073")]
    for note, hertz in zip(found, (220.0, 440.0), strict=True):
        x = read_note(note)
        tones = np.abs(np.fft.rfft(x[:16_000] * np.hanning(16_000)))
        around = tones[round(hertz) - 8 : round(hertz) + 9].max()
        assert around > 20.0 * np.median(tones)
        assert np.abs(x[-1600:]).max() < 0.5 * np.abs(x).max()  # released after three seconds

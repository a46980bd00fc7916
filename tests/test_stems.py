"""Pieces of several instruments: they fit together, lie as Slakh2100 does, and depend on their number alone."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from caesura.audio import read
from caesura.cli import main
from caesura.data import stems
from caesura.data.general_midi import instrument_class, program_name
from caesura.data.phrases import FAMILIES, HELD_OUT, MOODS, SECONDS, Part, notes
from caesura.data.render import SOUNDFONTS
from caesura.data.scores import DRUMS, read_score
from caesura.data.stems import STEMS, Piece, draw_piece, pieces, prepare

RATE = 16_000
HERE = shutil.which("fluidsynth") is not None and bool(list(SOUNDFONTS.glob("*.sf2")))


def drawn(count: int) -> list[Piece]:
    return [draw_piece(Path("out"), n) for n in range(count)]


def tones(parts: Sequence[Part], font: Path, rate: int) -> list[np.ndarray]:
    """Instead of a synthesiser: the first note of each part, for a tenth of a second."""
    t = np.arange(rate // 10) / rate
    return [0.1 * np.sin(2 * np.pi * 440 * 2 ** ((p.notes[0].pitch - 69) / 12) * t) * np.hanning(t.size) for p in parts]


@pytest.fixture
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stems, "find_fluidsynth", lambda: "")
    monkeypatch.setattr(stems, "find_soundfonts", lambda given: (Path("font.sf2"),))
    monkeypatch.setattr(stems, "render_parts", tones)


def test_the_stems_of_a_piece_share_key_grid_and_harmony() -> None:
    for piece in drawn(60):
        grid = piece.ground.slow / piece.ground.division
        phrases = [stem.phrase for stem in piece.stems if stem.phrase is not None]
        scale = {(piece.tonic + step) % 12 for step in MOODS[piece.mood]}
        assert 3 <= len(piece.stems) <= 5
        assert len({phrase.family for phrase in phrases}) == len(phrases) >= 2
        for phrase in phrases:
            played = notes(phrase, piece.ground)
            assert {note.pitch % 12 for note in played} <= scale
            assert (phrase.mood, phrase.root % 12) == (piece.mood, piece.tonic)
            steps = np.array([note.begin for note in played]) / grid
            assert np.abs(steps - np.round(steps)).max() < 1e-6
            gaps = np.diff(sorted({note.begin for note in played}))
            # what is called slow and fast alone is slow and fast here
            assert gaps.max() < 0.45 if phrase.tempo == "fast" else gaps.min() > 0.85


def test_notes_that_meet_belong_to_one_chord() -> None:
    """Chords and arpeggios at one time are of one triad, or its seventh below."""
    seen = 0
    for piece in drawn(80):
        at: dict[int, set[int]] = {}
        for stem in piece.stems:
            if stem.phrase is not None and stem.phrase.figure in ("chords", "sustained", "arpeggio"):
                for note in notes(stem.phrase, piece.ground):
                    at.setdefault(round(note.begin / piece.ground.slow * 100), set()).add(note.pitch % 12)
        assert all(len(together) <= 3 for together in at.values())
        seen += sum(len(together) == 3 for together in at.values())
    assert seen > 100


def test_draws_are_of_their_number_alone_and_keep_instruments_apart() -> None:
    found = drawn(200)
    assert found == drawn(200)
    assert found[7] != draw_piece(Path("out"), 7, seed=1)
    assert [piece.split for piece in found[:5]] == ["valid", "test", "test", "train", "train"]
    for piece in found:
        programs = {stem.phrase.program for stem in piece.stems if stem.phrase is not None}
        assert programs <= set(HELD_OUT) if piece.split == "test" else programs.isdisjoint(HELD_OUT)
    assert 30 < sum(stem.phrase is None for piece in found for stem in piece.stems) < 90
    assert {piece.tonic for piece in found} == set(range(12))


@pytest.mark.usefixtures("_silent")
def test_a_piece_lies_as_slakh_does(tmp_path: Path) -> None:
    assert prepare(tmp_path, count=6) == 6
    for piece in pieces(tmp_path, ("train", "valid", "test")):
        mix = read(piece.folder / "mix.flac")
        parts = [read(piece.path(stem)).samples for stem in piece.stems]
        assert mix.sample_rate == RATE
        # each of them is rounded to 16 bits
        assert np.abs(mix.samples - np.sum(parts, axis=0)).max() <= (len(parts) + 1) / 2**16
        assert max(np.abs(mix.samples).max(), *(np.abs(x).max() for x in parts)) == pytest.approx(0.7, abs=1e-3)
        metadata = (piece.folder / "metadata.yaml").read_text()
        for stem in piece.stems:
            score = read_score(piece.folder / "MIDI" / f"{stem.name}.mid")
            program = 128 if stem.phrase is None else stem.phrase.program
            entry = metadata.partition(f"  {stem.name}:\n")[2].partition("\n  S")[0]
            assert f"    inst_class: {instrument_class(program)}\n" in entry
            assert f"    program_num: {program}" in entry
            assert f"is_drum: {'true' if stem.phrase is None else 'false'}\n" in entry
            assert {event.channel for event in score.events if event.sounds} == {DRUMS if stem.phrase is None else 0}
            if stem.phrase is not None:
                pitches = [event.data[1] for event in score.events if event.sounds]
                assert sorted(pitches) == sorted(note.pitch for note in notes(stem.phrase, piece.ground))


@pytest.mark.usefixtures("_silent")
def test_preparing_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    prepare(whole, count=9)

    def interrupt(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(parts, count=9, progress=interrupt)
    with (parts / STEMS).open("a") as file:
        file.write('{"folder": "half a li')  # a crash
    assert 0 < sum(line.endswith("}") for line in (parts / STEMS).read_text().splitlines()) < 9
    assert main(["prepare", "stems", str(parts), "--count", "9", "-q"]) == 0
    assert (parts / STEMS).read_text() == (whole / STEMS).read_text()
    for path in sorted(whole.rglob("*.*")):
        assert path.read_bytes() == (parts / path.relative_to(whole)).read_bytes()
    assert all("Track" in json.loads(line)["folder"] for line in (whole / STEMS).read_text().splitlines())
    found = pieces(whole, ("train",))
    assert found[0] == dataclasses.replace(draw_piece(whole, 3), folder=whole / "Track00003")


def test_a_folder_without_pieces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="caesura prepare stems"):
        pieces(tmp_path)


def test_instruments_have_the_names_of_general_midi() -> None:
    for family, programs in FAMILIES.items():
        assert all(program_name(program) for program in programs), family
    assert (program_name(0), instrument_class(0)) == ("Acoustic Grand Piano", "Piano")
    assert (program_name(87), instrument_class(87)) == ("Lead 8 (bass + lead)", "Synth Lead")
    assert (program_name(73), instrument_class(73)) == ("Flute", "Pipe")
    assert (program_name(128), instrument_class(128)) == ("Drums", "Drums")


@pytest.mark.skipif(not HERE, reason="fluidsynth and a sound font are not installed")
def test_rendered_stems_sound_on_their_grid(tmp_path: Path) -> None:
    prepare(tmp_path, count=2)
    for piece in pieces(tmp_path, ("valid", "test")):
        for stem in piece.stems:
            x = read(piece.path(stem)).samples[0]
            assert x.size == round(SECONDS * RATE)
            assert np.std(x) > 1e-3

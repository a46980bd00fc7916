"""Rendered phrases and their captions: every fact can be heard of in words, and held-out instruments stay away."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from caesura.data import captions, phrases
from caesura.data.captions import INSTRUMENTS, NAMES, WORDS, caption, clips, prepare
from caesura.data.phrases import (
    EFFECTS,
    FAMILIES,
    FIGURES,
    HELD_OUT,
    MOODS,
    REGISTERS,
    SECONDS,
    TEMPOS,
    Phrase,
    draw_phrase,
    render_phrases,
)  # fmt: skip
from caesura.data.render import SOUNDFONTS

RATE = 16_000
HERE = shutil.which("fluidsynth") is not None and bool(list(SOUNDFONTS.glob("*.sf2")))


def drawn(count: int, *, held_out: bool = False) -> list[Phrase]:
    return [draw_phrase(np.random.default_rng(k), held_out=held_out) for k in range(count)]


def test_draws_are_of_every_kind_and_keep_instruments_apart() -> None:
    known, other = drawn(400), drawn(200, held_out=True)
    assert {p.program for p in known}.isdisjoint(HELD_OUT)
    assert {p.program for p in other} == set(HELD_OUT)
    for name, values in (
        ("family", FAMILIES), ("register", REGISTERS), ("tempo", TEMPOS), ("mood", MOODS), ("figure", FIGURES),
        ("effect", EFFECTS),
    ):  # fmt: skip
        assert {getattr(p, name) for p in known} == set(values)
    assert all(p.tempo == "slow" for p in known if p.figure == "sustained")
    assert drawn(5) == drawn(5)


def test_notes_are_those_of_the_words() -> None:
    for phrase in drawn(120):
        notes = phrases.notes(phrase)
        assert notes == phrases.notes(phrase)
        begins = sorted({note.begin for note in notes})
        steps = np.diff(begins)
        assert begins[0] == 0.0
        assert begins[-1] + steps.min() >= SECONDS - 1e-9
        # what is called fast is three times faster than what is called slow, for every figure
        assert steps.max() < 0.45 if phrase.tempo == "fast" else steps.min() > 0.7
        together = [sum(note.begin == begin for note in notes) for begin in begins]
        assert (max(together) == 3) == (phrase.figure == "chords") or phrase.figure == "sustained"
        degrees = {(note.pitch - phrase.root) % 12 for note in notes}
        assert degrees <= set(MOODS[phrase.mood])
        low, high = REGISTERS[phrase.register]
        assert low - 12 <= np.mean([note.pitch for note in notes]) <= high + 12


def test_captions_say_what_is_heard_in_many_ways() -> None:
    phrase = Phrase("flute", 73, "high", "fast", "minor", "arpeggio", "reverb", 80, 0)
    said = [caption(phrase, np.random.default_rng(k)) for k in range(300)]
    assert len(set(said)) > 200
    assert caption(phrase, np.random.default_rng(7)) == said[7]
    for name in ("high", "fast", "minor", "arpeggio", "reverb"):
        assert any(words in text for text in said for words in WORDS[name])
        for value in {"low", "slow", "major", "melody", "echo"}:
            assert not any(words in text.split() for text in said for words in WORDS[value])
    named = {*NAMES["flute"], *INSTRUMENTS[73]}
    # nothing is left unsaid of both: there is an instrument or a figure in every caption
    assert all(any(w in text for w in (*named, *WORDS["arpeggio"])) for text in said)
    assert all(text and text == text.strip(" ,") and "  " not in text for text in said)


def test_every_value_has_words() -> None:
    assert set(NAMES) == set(FAMILIES)
    assert set(WORDS) == {*REGISTERS, *TEMPOS, *MOODS, *FIGURES, *EFFECTS}
    assert set(INSTRUMENTS) <= {program for programs in FAMILIES.values() for program in programs} - set(HELD_OUT)


def test_effects_ring_on(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.zeros(4 * RATE)
    x[:800] = np.hanning(800)
    phrase = drawn(1)[0]
    dry, reverb, echo = (phrases.finished(x, dataclasses.replace(phrase, effect=e), RATE) for e in EFFECTS)
    late = slice(RATE, 2 * RATE)
    assert np.abs(dry[late]).max() == 0.0
    for wet in (reverb, echo):
        assert np.abs(wet[late]).max() > 1e-3
        assert np.abs(wet).max() == pytest.approx(0.7)
    assert not phrases.finished(np.zeros(RATE), phrase, RATE).any()


def test_preparing_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def rendered(chosen: list[Phrase], font: Path, rate: int) -> list[np.ndarray]:
        made.extend(chosen)
        return [np.full(160, 0.1) if p.seed % 7 else np.zeros(160) for p in chosen]

    monkeypatch.setattr(captions, "find_fluidsynth", lambda: "")
    monkeypatch.setattr(captions, "find_soundfonts", lambda given: (Path("font.sf2"),))
    monkeypatch.setattr(captions, "render_phrases", rendered)
    there = prepare(tmp_path, count=25)
    index = tmp_path / captions.CAPTIONS
    with index.open("a") as file:
        file.write('{"file": "half a li')  # a crash
    first = index.read_text().rpartition("\n")[0]
    made.clear()
    assert prepare(tmp_path, count=40) >= there
    assert index.read_text().startswith(first)
    splits = {split: clips(tmp_path, (split,)) for split in ("train", "valid", "test")}
    assert all((clip.phrase.program in HELD_OUT) == (split == "test") for split in splits for clip in splits[split])
    assert all(clip.path.is_file() for found in splits.values() for clip in found)
    again = tmp_path / "again"
    assert prepare(again, count=40) == len(sum(splits.values(), ()))
    assert clips(again, ("train",))[3].phrase == splits["train"][3].phrase


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="caesura prepare captions"):
        clips(tmp_path)


@pytest.mark.skipif(not HERE, reason="fluidsynth and a sound font are not installed")
def test_rendered_phrases_sound_as_they_are_called() -> None:
    font = sorted(p for p in SOUNDFONTS.glob("*.sf2") if not p.is_symlink())[0]
    low = Phrase("piano", 0, "low", "slow", "major", "melody", "dry", 40, 1)
    high = dataclasses.replace(low, register="high", root=80)
    fast = dataclasses.replace(low, tempo="fast", figure="repeated")
    a, b, c = render_phrases([low, high, fast], font, RATE)
    assert {x.size for x in (a, b, c)} == {round(SECONDS * RATE)}

    def centre(x: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(x)) ** 2
        return float(np.fft.rfftfreq(x.size, 1 / RATE) @ power / power.sum())

    def onsets(x: np.ndarray) -> int:
        level = np.sqrt(np.mean(x[: x.size // 160 * 160].reshape(-1, 160) ** 2, axis=1))
        rise = np.maximum(np.diff(np.log(level + 1e-3)), 0.0)
        return int(np.sum((rise[1:-1] > 0.2) & (rise[1:-1] >= rise[2:]) & (rise[1:-1] > rise[:-2])))

    assert centre(b) > 3 * centre(a)
    assert onsets(c) > 2 * onsets(a)

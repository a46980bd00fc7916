"""Slakh2100 as pairs, on songs of seconds in its real layout."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caesura.cli import main
from caesura.codecs.image import SpectrogramImage
from caesura.data.instruments import MODES, Instrument, instrument, spoken
from caesura.data.pairs import manifest_rows, pairs
from caesura.data.slakh2100 import Slakh2100
from pair_cases import RATE, bands, made, put, strongest, tone

yaml = pytest.importorskip("yaml")

# class, program, frequency: two pianos are one instrument
BAND = (
    ("Drums", "Drums", 90.0),
    ("Piano", "Acoustic Grand Piano", 200.0),
    ("Piano", "Acoustic Grand Piano", 300.0),
    ("Bass", "Electric Bass (finger)", 60.0),
    ("Pipe", "Flute", 2000.0),
    ("Strings (continued)", "Violin", 3000.0),
    ("Synth Pad", "Pad 2 (warm)", 4000.0),
)


def track(
    folder: Path, band: tuple[tuple[str, str, float], ...] = BAND, seconds: float = 0.7, bpm: float = 0.0
) -> Path:
    """A song; a beat where `bpm` is given."""
    stems: dict[str, Any] = {}
    parts = [tone(f, seconds, 0.1) for _, _, f in band]
    if bpm:
        beats = np.zeros(parts[0].size)
        for start in np.round(np.arange(0.1, seconds - 0.1, 60.0 / bpm) * RATE).astype(int):
            beats[start : start + 2000] = 0.5 * np.random.default_rng(start).standard_normal(2000)
        parts[0] = np.clip(beats + 0.1 * parts[0], -0.9, 0.9)
    for number, ((family, program, _), x) in enumerate(zip(band, parts, strict=True)):
        name = f"S{number:02d}"
        facts = {"inst_class": family, "midi_program_name": program, "program_num": 0, "is_drum": family == "Drums"}
        stems[name] = facts | {"audio_rendered": True, "midi_saved": True, "plugin_name": "x.nkm"}
        put(folder / "stems" / f"{name}.flac", x, channels=1)
    stems["S99"] = {"audio_rendered": False, "inst_class": "Brass", "midi_program_name": "Trumpet", "is_drum": False}
    put(folder / "mix.flac", np.clip(np.sum(parts, axis=0), -0.99, 0.99), channels=1)
    (folder / "MIDI").mkdir()
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"UUID": "x", "audio_dir": "stems", "stems": stems}))
    return folder


def slakh(source: Path, **options: Any) -> Slakh2100:
    return Slakh2100(source, **{"steady": 0.0} | options)


def test_what_is_added_over_what(tmp_path: Path) -> None:
    track(tmp_path / "in" / "train" / "Track00001")
    done, rows = made(slakh(tmp_path / "in"), tmp_path / "out")
    behind = ["Drums", "Grand Piano", "Electric Bass"]
    every = [*behind, "Flute", "Violin", "Synth Pad"]
    # melodies over the background, then one of all that may be added over the others
    expected = [([name], behind) for name in ("Flute", "Violin")]
    expected += [([name], [other for other in every if other != name]) for name in ("Grand Piano", "Flute", "Violin")]
    assert [(row["adds"], row["over"]) for row in rows] == expected
    assert done.pairs == 5
    assert [row["example"] for row in rows] == list(range(5))
    for row, f in zip(rows, (2000.0, 3000.0, None, 2000.0, 3000.0), strict=True):
        added = bands(tmp_path / "out", row, "target") - bands(tmp_path / "out", row, "source")
        heard = SpectrogramImage().edges[1:-1]
        if f is not None:
            assert heard[np.argmax(added.mean(axis=1))] == pytest.approx(f, rel=0.01)
        else:  # both pianos are added, and neither was there
            for own in (200.0, 300.0):
                place = np.argmin(np.abs(heard - own))
                assert added[place].mean() > 0.9 * bands(tmp_path / "out", row, "target")[place].mean()


def test_modes_and_duets(tmp_path: Path) -> None:
    track(tmp_path / "in" / "Track00001")
    _, rows = made(slakh(tmp_path / "in", mode=0, duets=4, holdout=0.0), tmp_path / "all")
    assert len(rows) == 3 + 6 + 4
    assert {name for row in rows for name in row["adds"]} >= {"Drums", "Synth Pad"}
    duets = [row for row in rows if len(row["adds"]) == 2]
    assert len({tuple(row["adds"]) for row in duets}) == 4
    assert all(len(row["over"]) == 4 and not set(row["adds"]) & set(row["over"]) for row in duets)
    _, rows = made(slakh(tmp_path / "in", mode=2, holdout=0.0), tmp_path / "narrow")
    assert {row["adds"][0] for row in rows} == {"Flute", "Grand Piano"}


def test_few_instruments_make_few_examples(tmp_path: Path) -> None:
    track(tmp_path / "in" / "Track00001", (BAND[0], BAND[3], BAND[4]))
    track(tmp_path / "in" / "Track00002", (BAND[0], BAND[4], BAND[5]))  # one alone is no background
    done, rows = made(slakh(tmp_path / "in", holdout=0.0), tmp_path / "out")
    assert [(row["song"], row["adds"], row["over"]) for row in rows] == [
        ("Track00001", ["Flute"], ["Drums", "Electric Bass"])
    ]
    assert list(done.rejected) == ["Track00002"]


def test_instruments_that_pause_are_neither_added_nor_named(tmp_path: Path) -> None:
    folder = track(tmp_path / "in" / "Track00001", seconds=1.3)
    put(
        folder / "stems" / "S04.flac", np.concatenate((tone(2000.0, 0.6, 0.1), np.zeros(round(0.7 * RATE)))), channels=1
    )
    _, rows = made(slakh(tmp_path / "in", holdout=0.0), tmp_path / "out")
    assert {row["frame"] for row in rows} == {0, 1}
    for row in rows:
        assert ("Flute" in row["adds"] + row["over"]) <= (row["frame"] == 0)


@pytest.mark.parametrize(("bpm", "kept"), [(100.0, True), (140.0, False)])
def test_songs_of_another_tempo_are_left_out(tmp_path: Path, bpm: float, kept: bool) -> None:
    track(tmp_path / "in" / "Track00001", (BAND[0], BAND[3], BAND[4]), seconds=12.0, bpm=bpm)
    done, _ = made(Slakh2100(tmp_path / "in", holdout=0.0), tmp_path / "out")
    assert bool(done.pairs) == kept
    assert kept or "of its first minute has a tempo of 80 to 120" in done.rejected["Track00001"]


def test_prompts_generate_or_add(tmp_path: Path) -> None:
    for number in range(6):
        track(tmp_path / "in" / f"Track{number:05d}", (BAND[0], BAND[3], BAND[5]))
    _, rows = made(slakh(tmp_path / "in", mode=0, holdout=0.0), tmp_path / "out")
    said = {row["text"] for row in rows}
    forms = {f"Generate a violin{form}." for form in ("", " stem", " line", " part")}
    assert said <= forms | {f"Given drums and electric bass: {form}" for form in forms}
    assert len(said) > 2
    _, rows = made(slakh(tmp_path / "in", mode=0, wording="add", holdout=0.0), tmp_path / "add")
    assert {row["text"] for row in rows} == {"add in a violin"}


def test_drums_and_duets_are_said_otherwise() -> None:
    rng = np.random.default_rng(0)
    dataset = Slakh2100(Path())
    said = {dataset._words(("Drums",), ("Flute",), rng).removeprefix("Given flute: ") for _ in range(40)}
    assert said == {"Generate a drum rhythm.", "Generate drums."}
    said = {dataset._words(("Flute", "Oboe"), ("Drums", "Viola", "Organ"), rng) for _ in range(40)}
    assert said == {"Generate flute and oboe.", "Given drums, viola, and organ: Generate flute and oboe."}
    assert Slakh2100(Path(), "add")._words(("Oboe", "Drums"), (), rng) == "add in an oboe and drums"


@pytest.mark.parametrize(
    ("family", "program", "name"),
    [
        ("Guitar", "Electric Guitar (jazz)", "Electric Guitar"),
        ("Guitar", "Distortion Guitar", "Distortion Guitar"),
        ("Piano", "Acoustic Grand Piano", "Grand Piano"),
        ("Piano", "Bright Acoustic Piano", "Bright Piano"),
        ("Piano", "Electric Piano 2", "Electric Piano"),
        ("Piano", "Honky-tonk Piano", "Honky-Tonk Piano"),
        ("Synth Lead", "Lead 2 (sawtooth)", "Synth Lead"),
        ("Synth Effects", "FX 3 (crystal)", "Synth Effects"),
        ("Strings (continued)", "String Ensemble 1", "String Ensemble"),
        ("Brass", "", "Brass"),
    ],
)
def test_names_are_what_a_listener_says(family: str, program: str, name: str) -> None:
    found = instrument({"inst_class": family, "midi_program_name": program, "is_drum": False})
    assert found == Instrument(name, family.removesuffix(" (continued)"))
    assert found.behind == (family == "Piano")


# the programs of General MIDI that have one of these names, or that our rule must shorten to one
PROGRAMS = (
    "Acoustic Grand Piano", "Bright Acoustic Piano", "Electric Grand Piano", "Honky-tonk Piano", "Electric Piano 1",
    "Clavinet", "Vibraphone", "Harmonica", "Acoustic Guitar (nylon)", "Electric Guitar (clean)", "Distortion Guitar",
    "Violin", "Viola", "Cello", "Trumpet", "Trombone", "French Horn", "Soprano Sax", "Alto Sax", "Tenor Sax",
    "Baritone Sax", "Oboe", "English Horn", "Clarinet", "Piccolo", "Flute", "Recorder",
)  # fmt: skip


def test_every_name_of_a_mode_is_that_of_a_program() -> None:
    found = {instrument({"inst_class": "x", "midi_program_name": program}).name for program in PROGRAMS}
    assert len(found) == len(PROGRAMS)
    assert found == set(MODES[1] or ()) | set(MODES[2] or ())


def test_names_that_are_missing_and_lists(tmp_path: Path) -> None:
    assert instrument({"is_drum": True, "midi_program_name": "Flute"}) == Instrument("Drums", "Drums")
    with pytest.raises(ValueError, match="neither inst_class nor midi_program_name"):
        instrument({})
    assert spoken(("Alto Sax",)) == "alto sax"
    assert spoken(("French Horn", "Drums", "Slap Bass"), article=True) == "a French horn, drums, and a slap bass"
    assert spoken(("Brass",), article=True) == "brass"
    assert len(MODES[1] or ()) == 20


def test_songs_belong_to_the_split_of_their_folder(tmp_path: Path) -> None:
    for name in ("train/Track00001", "validation/Track01501", "test/Track01876"):
        track(tmp_path / "in" / name, (BAND[0], BAND[3], BAND[4]))
    track(tmp_path / "in" / "omitted" / "Track00049", (BAND[0], BAND[3], BAND[4]))
    made(slakh(tmp_path / "in"), tmp_path / "out")
    assert [pair.song for pair in pairs(tmp_path / "out")] == ["train/Track00001", "validation/Track01501"]
    assert [pair.song for pair in pairs(tmp_path / "out", "test")] == ["test/Track01876"]


def test_songs_belong_to_the_split_that_their_metadata_says(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "valid", "test")):
        folder = track(tmp_path / f"Track{number:05d}", (BAND[0], BAND[3], BAND[4]))
        (folder / "metadata.yaml").write_text(f"{(folder / 'metadata.yaml').read_text()}split: {split}\n")
    # nothing would be held out otherwise, and all
    for holdout in (0.0, 1.0):
        songs = slakh(tmp_path, holdout=holdout).songs()
        assert [song.split for song in songs] == ["train", "train", "test"]


def test_wav_files_of_another_rate_are_read(tmp_path: Path) -> None:
    folder = track(tmp_path / "in" / "Track00001", (BAND[0], BAND[3], BAND[4]))
    for number, f in enumerate((90.0, 60.0, 2000.0)):
        (folder / "stems" / f"S{number:02d}.flac").unlink()
        put(folder / "stems" / f"S{number:02d}.wav", tone(f, 0.7, 0.1, rate=16_000), 16_000, channels=1)
    (folder / "mix.flac").unlink()
    _, rows = made(slakh(tmp_path / "in", holdout=0.0), tmp_path / "out")
    assert strongest(tmp_path / "out", rows[0], "target") < 2020.0
    assert [row["adds"] for row in rows] == [["Flute"]]


def test_metadata_that_makes_no_sense_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track(tmp_path / "in" / "Track00001", (BAND[0], BAND[3], BAND[4]))
    for number, text in enumerate(("stems: [", "stems: 3", "other: 1", "stems: {S00: {inst_class: Bass}}"), 2):
        (tmp_path / "in" / f"Track{number:05d}").mkdir()
        (tmp_path / "in" / f"Track{number:05d}" / "metadata.yaml").write_text(text)
    command = ["prepare", "slakh2100", str(tmp_path / "out"), "--source", str(tmp_path / "in"), "--columns", "64"]
    assert main([*command, "--steady", "0", "--holdout", "0", "--prompts", "add"]) == 1
    said = capsys.readouterr().err
    assert "1 pairs of 1 songs" in said
    assert "4 unreadable" in said
    for number in (2, 3, 4):
        assert f"Track{number:05d} cannot be read: '{tmp_path}/in/Track{number:05d}/metadata.yaml' does not" in said
    assert "Track00005 cannot be read: there is no stem of 'metadata.yaml'" in said
    assert manifest_rows(tmp_path / "out")[0]["text"] == "add in a flute"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompts", "invent"], "wording='invent': 0, 1, 2, and generate or add"),
        (["--min-bpm", "120", "--max-bpm", "80"], "tempo=(120.0, 80.0)"),
        ([], "there is no train/Track00001/metadata.yaml"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["prepare", "slakh2100", str(tmp_path / "out"), "--source", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err

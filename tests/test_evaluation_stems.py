"""The protocol of Riff-CNET's Table I: songs, rows, measures, and the script that runs it."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caesura.audio import Audio, write
from caesura.data.instruments import Instrument
from caesura.evaluation.metrics import envelope_distance
from caesura.evaluation.stems import RATE, SYSTEMS, Made, Song, made_by, measured, silent_rows, slakh_songs
from caesura.methods import load, names
from caesura.problem import Problem, Region

torch = pytest.importorskip("torch")
pytest.importorskip("yaml")

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
script = importlib.import_module("table1")
sys.path.pop(0)

SAMPLES = 30_000


def tone(hertz: float, samples: int = SAMPLES, rate: int = RATE) -> np.ndarray:
    t = np.arange(samples) / rate
    return 0.1 * np.sin(2 * np.pi * hertz * t)[None]


def song(**more: Any) -> Song:
    return Song(
        "one", **{"background": tone(220), "stem": tone(1_760), "instrument": Instrument("Flute", "Pipe"), **more}
    )


def slakh(folder: Path, count: int = 2, seconds: float = 0.8, rate: int = 16_000, split: str = "") -> Path:
    """Songs of a bass and two melodies, the second of which plays only at the end."""
    for k in range(count):
        place = folder / f"Track{k:05d}"
        (place / "stems").mkdir(parents=True)
        lines = [f"split: {split}"] if split else []
        lines.append("stems:")
        for name, kind, program, hertz in (
            ("S00", "Bass", "Fretless Bass", 110), ("S01", "Pipe", "Flute", 880), ("S02", "Brass", "Trumpet", 660)
        ):  # fmt: skip
            x = tone(hertz, round(seconds * rate), rate)
            if name == "S02":
                x[:, : x.shape[1] // 2] = 0.0
            write(place / "stems" / f"{name}.flac", Audio(x, rate))
            facts = {"inst_class": kind, "midi_program_name": program, "caption": f"a calm {program.lower()}"}
            lines += [f"  {name}:", *(f"    {key}: {value}" for key, value in facts.items())]
        (place / "metadata.yaml").write_text("\n".join(lines) + "\n")
    return folder


# --- songs ----------------------------------------------------------------------------------------------------------


def test_songs_are_a_background_and_a_melody(tmp_path: Path) -> None:
    found = list(slakh_songs(slakh(tmp_path, 8), 8, seconds=0.3))
    assert {one.instrument.name for one in found} == {"Flute", "Trumpet"}
    for one in found:
        assert one.background.shape == one.stem.shape == (1, round(0.3 * RATE))
        assert one.caption == f"a calm {one.instrument.name.lower()}"
        bins = np.abs(np.fft.rfft(one.stem[0] * np.hanning(one.stem.size)))
        hertz = float(np.fft.rfftfreq(one.stem.size, 1 / RATE)[bins.argmax()])
        # The stretch is one in which it plays, the trumpet in the second half only.
        assert hertz == pytest.approx(880 if one.instrument.name == "Flute" else 660, abs=5)
        assert one.stem.std() == pytest.approx(0.1 / 2**0.5, rel=0.02)
        np.testing.assert_allclose(one.target - one.stem, one.background, atol=1e-12)


def test_songs_that_were_trained_on_are_left_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not trained on"):
        list(slakh_songs(slakh(tmp_path, split="train"), 2))
    with pytest.raises(ValueError, match="in test"):
        list(slakh_songs(tmp_path, 2, split="test"))
    assert list(slakh_songs(tmp_path, 2, split="train"))
    held_out = slakh(tmp_path / "test", 3)
    assert [one.name for one in slakh_songs(tmp_path, 3)] == sorted(path.name for path in held_out.iterdir())


# --- measures -------------------------------------------------------------------------------------------------------


def test_nothing_and_the_background_alone_are_what_they_are() -> None:
    one = song()
    made = silent_rows(one)
    nothing, alone = (measured(one, made[name]) for name in ("silence", "untouched background"))
    assert nothing["spectral"] > 1.0
    assert nothing["envelope"] == pytest.approx(0.1, rel=0.02)  # that of the tone that is gone
    for scores in (nothing, alone):
        assert scores["stem_snr"] == pytest.approx(0.0, abs=1e-6)
        assert scores["stem_level"] == -60.0
    assert alone["spectral"] == pytest.approx(0.0, abs=1e-6)
    assert alone["envelope"] == pytest.approx(0.0, abs=1e-6)


def test_the_true_stem_scores_best() -> None:
    one = song()
    right = measured(one, Made(one.target, one.stem))
    assert right["stem_snr"] == np.inf
    assert right["stem_log_mel"] == right["stem_level"] == 0.0
    quiet = measured(one, Made(one.background + 0.5 * one.stem, 0.5 * one.stem))
    assert quiet["stem_snr"] == pytest.approx(20 * np.log10(2))
    assert quiet["stem_level"] == pytest.approx(-20 * np.log10(2))
    # Where a mix comes without its stem, the stem is what it holds besides the background.
    found = measured(one, Made(one.target))
    assert found["stem_snr"] > 10.0
    assert abs(found["stem_level"]) < 1.0
    assert found["envelope"] < 0.02


def test_a_separator_takes_both_mixes_apart_by_the_instrument() -> None:
    asked = []

    def separator(x: np.ndarray, rate: int) -> dict[str, np.ndarray]:
        """All that is above 1 kHz is `other`, except that a bass has half of what is below."""
        asked.append(rate)
        spectrum = np.fft.rfft(x)
        high = np.fft.rfftfreq(x.shape[1], 1 / rate) > 1_000
        low = np.fft.irfft(np.where(high, 0, spectrum), x.shape[1])
        return {"other": x - low, "bass": 0.5 * low, "drums": 0.5 * low}

    one = song()
    perfect = measured(one, Made(one.target, one.stem), separator)
    assert perfect["envelope"] == 0.0
    assert asked == [RATE, RATE]
    louder = measured(one, Made(1.5 * one.background + one.stem, one.stem), separator)
    assert louder["envelope"] == pytest.approx(0.05, rel=0.05)
    # A bass is separated from what is not the bass.
    deep = song(stem=tone(110), instrument=Instrument("Fretless Bass", "Bass"), background=tone(1_760))
    doubled = Made(2.0 * deep.stem + deep.background, 2.0 * deep.stem)
    left = [deep.background + share * deep.stem for share in (0.5, 1.0)]
    assert measured(deep, doubled, separator)["envelope"] == pytest.approx(envelope_distance(*left), rel=0.05)
    with pytest.raises(ValueError, match="it must find other and something else"):
        measured(one, Made(one.target), lambda x, rate: {"bass": x, "drums": x})


# --- systems --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [label for label, system in SYSTEMS.items() if system.method in names()])
def test_every_system_that_is_here_makes_a_mix(label: str) -> None:
    system, one = SYSTEMS[label], song()
    method = system.build(load(system.method).quick)
    first, again = (made_by(system, method, one, seed=2) for _ in range(2))
    assert first.mix.shape == one.target.shape
    assert np.isfinite(first.mix).all()
    assert not np.allclose(first.mix, one.background, atol=1e-4)
    np.testing.assert_array_equal(first.mix, again.mix)
    if system.way == "adds":
        np.testing.assert_allclose(first.mix - first.stem, one.background, atol=1e-12)


def test_what_is_seeded_with_edges_draws_after_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    from caesura.codecs.edges import control_of
    from caesura.networks.riffusion import open_riffusion

    system, one, seen = SYSTEMS["Riffusion, seeded with edges"], song(), []
    method = system.build({**load("riffusion").quick, "strength": 0.01, "steps": 10})
    drawn = type(method)._drawn
    monkeypatch.setattr(
        type(method),
        "_drawn",
        lambda self, model, heard, *rest: (seen.append(heard), drawn(self, model, heard, *rest))[1],
    )
    made_by(system, method, one)
    assert seen[0].guide.shape == seen[0].latents.shape
    # That of the tone's edges, not of a picture without any.
    edges = control_of(method.image.pixels(method.image.mel(one.background)), "canny") / 127.5 - 1.0
    assert 0.0 < (edges > 0.0).mean() < 0.5
    wide = np.pad(edges, ((0, 0), (0, 8 * seen[0].latents.shape[-1] - edges.shape[1]), (0, 0)), mode="edge")
    wanted = open_riffusion("tiny").codec(method.image).encode(torch.from_numpy(np.moveaxis(wide, -1, 0)).float()[None])
    torch.testing.assert_close(seen[0].guide, wanted)
    assert not np.allclose(seen[0].guide, seen[0].latents)
    problem = Problem(one.background, (Region(0, SAMPLES),), RATE)
    for rows, complaint in ((32, "a picture of 32 rows is not one of bands=64"), (64, "needs a guide")):
        with pytest.raises(ValueError, match=complaint):
            method.after(problem, np.zeros((rows, 64, 3), np.uint8), rng=np.random.default_rng(0))


# --- the script -----------------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["table1.py", *map(str, arguments)])
    return int(script.main())


def test_the_table_names_what_is_missing_and_is_not_computed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, results = slakh(tmp_path / "songs"), tmp_path / "rows.jsonl"
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    command = ["--data", data, "--seconds", "0.3", "--results", results, "--songs", "2", "--systems", "Riff-P2P"]
    assert run(monkeypatch, *command, "--write") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "| row | spectral | envelope | SNR | log-mel | level | seconds |"
    assert "| untouched background | 0 | 0 | 0 |" in said
    assert "- Riff-P2P: the weights 'zachary-shah/riff-pix2pix-v1'" in said
    assert (tmp_path / "page.md").read_text().count("| silence |") == 1
    assert len(results.read_text().splitlines()) == 4
    assert run(monkeypatch, *command, "--tiny") == 0
    said = capsys.readouterr().out
    assert "| Riff-P2P (untrained) | 0 | 0 |" in said
    assert said.endswith("The rows of untrained networks mean nothing.\n")
    kept = results.read_text()
    assert len(kept.splitlines()) == 6
    assert run(monkeypatch, *command, "--tiny") == 0
    assert results.read_text() == kept
    assert run(monkeypatch, *command, "--forget") == 0
    assert len(results.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--separator", "demucs", "--checkpoints", "none"], "is not in none"), ([], "no song in")],
)
def test_the_script_says_what_is_wrong_in_a_line(
    arguments: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if "demucs" in arguments:
        pytest.importorskip("demucs")
    assert run(monkeypatch, "--data", tmp_path, "--results", tmp_path / "r.jsonl", *arguments) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("more", [["--tiny", "--write"], ["--set", "riffusion"]])
def test_what_makes_no_sense_is_refused(more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, "--data", tmp_path, *more)

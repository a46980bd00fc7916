"""The command line: exit codes, errors of one line, and files that stay as they are."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from caesura.cli import main
from caesura.labels import Label, read, write
from caesura.region import Region

RATE = 16_000
GAP = slice(4000, 4160)

Result = tuple[int, str, str]
Run = Callable[..., Result]


def tones(seconds: float = 1.0, channels: int = 2) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    noise = 0.001 * np.random.default_rng(1).standard_normal((t.size, channels))
    return 0.3 * np.sin(2 * np.pi * 220 * t)[:, None] + 0.2 * np.sin(2 * np.pi * 557 * t)[:, None] + noise


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Result:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def take(tmp_path: Path) -> Path:
    """A stereo recording with a gap of 10 ms."""
    x = tones()
    x[GAP] = 0.0
    path = tmp_path / "take.wav"
    soundfile.write(path, x, RATE, subtype="PCM_24")
    return path


def error_of(result: Result) -> str:
    """The one line that a refused command leaves."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("caesura: ")
    assert err.count("\n") == 1
    return err


def samples(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="int32", always_2d=True)[0]


def test_a_gap_is_filled_and_nothing_else_changes(run: Run, take: Path, tmp_path: Path) -> None:
    before = take.read_bytes()
    code, out, err = run("restore", take, "-o", tmp_path / "out.wav", "--gap", "4000smp-4160smp", "--method", "linear")
    assert (code, out) == (0, "")
    assert err == f"{tmp_path / 'out.wav'}: 1 filled, 0 refused\n"
    old, new = samples(take), samples(tmp_path / "out.wav")
    changed = np.flatnonzero((old != new).any(axis=1))
    assert changed.min() >= GAP.start
    assert changed.max() < GAP.stop
    assert changed.size > 100
    assert take.read_bytes() == before


@pytest.mark.parametrize("gap", ["0.25-0.26", "250ms-260ms", "0:00.25-0:00.26", "4000smp-4160smp"])
def test_every_unit_gives_the_same_bytes(run: Run, take: Path, tmp_path: Path, gap: str) -> None:
    write(tmp_path / "gaps.csv", [Label(Region(4000, 4160))], sample_rate=RATE)
    assert run("restore", take, "-o", tmp_path / "a.wav", "--gaps", tmp_path / "gaps.csv", "--method", "linear")[0] == 0
    assert run("restore", take, "-o", tmp_path / "b.wav", "--gap", gap, "--method", "linear")[0] == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_one_channel_can_be_chosen(run: Run, take: Path, tmp_path: Path) -> None:
    run("restore", take, "-o", tmp_path / "o.wav", "--gap", "0.25-0.26", "--channel", 1, "--method", "linear", "-q")
    same = (samples(take) == samples(tmp_path / "o.wav")).all(axis=0)
    assert list(same) == [True, False]


def test_a_report_and_a_picture_say_what_was_done(run: Run, take: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    beside = ("--report", tmp_path / "r.json", "--picture", tmp_path / "p.png")
    assert run("restore", take, "-o", tmp_path / "o.wav", "--gap", "0.25-0.26", "--method", "linear", *beside)[0] == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["method"], report["filled"], report["changed_outside"]) == ("linear", 1, 0)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert run("verify", take, tmp_path / "o.wav", "--gaps", tmp_path / "r.json")[0] == 0


def test_what_is_refused_gives_exit_code_1(run: Run, take: Path, tmp_path: Path) -> None:
    code, _, err = run("restore", take, "-o", tmp_path / "o.wav", "--gap", "0.2-0.7", "--max-gap", "0.1")
    assert code == 1
    assert "0 filled, 1 refused (" in err
    assert (samples(take) == samples(tmp_path / "o.wav")).all()


def test_many_inputs_go_to_a_folder_and_one_failure_does_not_stop_the_others(
    run: Run, take: Path, tmp_path: Path
) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.wav", "c.wav", "sub/d.wav"):
        (tmp_path / "in" / name).write_bytes(take.read_bytes())
    (tmp_path / "in" / "b.wav").write_text("this is no sound")
    where = ("--out-dir", tmp_path / "out", "--gap", "0.25-0.26", "--method", "linear")
    code, _, err = run("restore", tmp_path / "in", "-r", *where, "--report", tmp_path / "reports")
    assert code == 1
    assert f"caesura: {tmp_path / 'in' / 'b.wav'}: " in err
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.wav")) == [
        "a.wav",
        "c.wav",
        "sub/d.wav",
    ]
    assert len(list((tmp_path / "reports").glob("*.json"))) == 3
    assert len(err.splitlines()) == 4


def test_globs_are_expanded_without_a_shell(run: Run, take: Path, tmp_path: Path) -> None:
    where = ("--gap", "0.25-0.26", "--method", "linear")
    assert run("restore", f"{tmp_path}/ta*.wav", "-o", tmp_path / "o.wav", *where)[0] == 0
    assert "no file matches" in error_of(run("restore", f"{tmp_path}/x*.wav", "-o", tmp_path / "p.wav", *where))


def test_a_dry_run_writes_nothing(run: Run, take: Path, tmp_path: Path) -> None:
    code, out, _ = run("restore", take, "-o", tmp_path / "o.wav", "--gap", "0.25-0.26", "--dry-run")
    assert code == 0
    assert "0.250000  0.260000  10.00      all               gap" in out
    assert [p.name for p in tmp_path.iterdir()] == ["take.wav"]


def test_a_lossy_input_becomes_flac_with_a_sentence_why(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", tones(), RATE, format="OGG", subtype="VORBIS")
    where = ("--out-dir", tmp_path / "out", "--gap", "0.25-0.26", "--method", "linear")
    code, _, err = run("restore", tmp_path / "a.ogg", *where)
    assert code == 0
    assert "Note: OGG (VORBIS) is lossy" in err
    assert (tmp_path / "out" / "a.flac").is_file()


BAD_USAGE = [
    (("-o", "{d}/o.wav"), "say where: --auto, --gap 1.20-1.35"),
    (("--gap", "0.2-0.3"), "say where the result goes: -o FILE"),
    (("-o", "{d}/o.wav", "--out-dir", "{d}", "--gap", "0.2-0.3"), "-o and --out-dir exclude each other"),
    (("{d}/take.wav", "{d}/labels.txt", "-o", "{d}/o.wav", "--gap", "0.2-0.3"), "is one file and there are 2 inputs"),
    (("-o", "{d}/take.wav", "--force", "--gap", "0.2-0.3"), "take.wav is an input: choose another output"),
    (("-o", "{d}/labels.txt", "--gap", "0.2-0.3"), "labels.txt exists: pass --force"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--report", "{d}/labels.txt"), "labels.txt exists: pass --force"),
    (("-o", "{d}", "--gap", "0.2-0.3"), "is a folder: name a file in it"),
    (("-o", "{d}/o.wav", "--gap", "0.9-1.1"), "outside the recording of 1 s: shorten it"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--channel", "7"), "channel 7 does not exist"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--channel", "-1"), "--channel -1 does not exist"),
    (("-o", "{d}/o.wav", "--gap", "0.2"), "'0.2' is not a range"),
    (("-o", "{d}/o.wav", "--box", "0.2-0.3"), "'0.2-0.3' is not a box"),
    (("-o", "{d}/o.wav", "--box", "0.2-0.3,9000-9500"), "above half the sample rate"),
    (("-o", "{d}/o.wav", "--gaps", "{d}/labels.txt"), "line 2: 'x\\ty': 'x' is not a number"),
    (("-o", "{d}/o.wav", "--gaps", "{d}/nowhere.txt"), "there is no file '{d}/nowhere.txt'"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--method", "jansen"), "no method 'jansen': did you mean janssen?"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--method", "linear", "-s", "order=3"), "linear has no setting 'order'"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--method", "linear", "-s", "fade=x"), "fade='x' is not a whole number"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--method", "linear", "-s", "fade=0"), "fade=0 is not a positive number"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--method", "linear", "-s", "fade"), "-s fade is not KEY=VALUE"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--method", "lpc", "--policy", "fill"), "--policy fill is a setting"),
    (("-o", "{d}/no/o.wav", "--gap", "0.2-0.3"), "the folder {d}/no does not exist: create it first"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--quality", "great"), "quality='great' is not one of default, best"),
    (("-o", "{d}/o.wav", "--auto", "--kinds", "pop"), "'pop' is not a kind of damage: choose from gap, silence"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--guide", "{d}/nowhere.wav"), "there is no file"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--output-format", "xyz"), "'xyz' is not an output format"),
    (("-o", "{d}/o.wav", "--gap", "0.2-0.3", "--seed", "-1"), "--seed"),
    (("-o", "{d}/no/o.wav", "--frob"), "No such option: --frob"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD_USAGE)
def test_bad_usage_is_one_line_and_leaves_the_input_intact(
    run: Run, take: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "labels.txt").write_text("0.1\t0.2\nx\ty\n")
    before, names = take.read_bytes(), sorted(p.name for p in tmp_path.iterdir())
    filled = [argument.replace("{d}", str(tmp_path)) for argument in arguments]
    assert message.replace("{d}", str(tmp_path)) in error_of(run("restore", take, *filled))
    assert take.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == names


@pytest.mark.parametrize("content", [b"", b"this is no sound\n", b"RIFF\x00\x00\x00\x00WAVE", b"fLaC"])
def test_what_is_no_recording_is_refused_in_one_line(run: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    assert "a.wav" in error_of(run("restore", tmp_path / "a.wav", "-o", tmp_path / "o.wav", "--gap", "0.2-0.3"))
    assert "a.wav" in error_of(run("detect", tmp_path / "a.wav"))
    assert not (tmp_path / "o.wav").exists()


def test_two_inputs_of_one_name_do_not_share_an_output(run: Run, take: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "take.wav").write_bytes(take.read_bytes())
    result = run("restore", take, tmp_path / "sub" / "take.wav", "--out-dir", tmp_path / "o", "--gap", "0.2-0.3")
    assert "would both be written to" in error_of(result)


def test_force_overwrites(run: Run, take: Path, tmp_path: Path) -> None:
    (tmp_path / "o.wav").write_text("old")
    where = ("-o", tmp_path / "o.wav", "--gap", "0.25-0.26", "--method", "linear", "--quiet")
    assert run("restore", take, *where, "--force") == (0, "", "")
    assert samples(tmp_path / "o.wav").shape == (RATE, 2)


def test_a_pipe_repairs_standard_input_to_standard_output(take: Path) -> None:
    command = [sys.executable, "-m", "caesura", "restore", "-", "-o", "-", "--gap", "0.25-0.26", "--method", "linear"]
    done = subprocess.run(command, input=take.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode() == "standard output: 1 filled, 0 refused\n"
    before = take.read_bytes()
    assert len(done.stdout) == len(before)
    differing = [k for k, (a, b) in enumerate(zip(before, done.stdout, strict=True)) if a != b]
    header = len(before) - RATE * 2 * 3
    assert header + GAP.start * 6 <= min(differing)
    assert max(differing) < header + GAP.stop * 6


def test_detect_finds_the_gap_and_writes_it_in_any_format(run: Run, take: Path, tmp_path: Path) -> None:
    code, out, err = run("detect", take)
    assert code == 0
    assert "0.250000  0.260000  10.00" in out
    assert "1 silence" in err
    for suffix in ("txt", "csv", "json"):
        assert run("detect", take, "-o", tmp_path / f"l.{suffix}", "-q") == (0, "", "")
        assert [label.region for label in read(tmp_path / f"l.{suffix}", sample_rate=RATE)] == [Region(4000, 4160)]
    assert run("detect", take, "-o", "-", "-q")[1].startswith("0.250000\t0.260000\tsilence")
    assert run("detect", take, "--kinds", "click", "-q") == (0, "", "")
    assert "'gap' is not a kind of damage: choose from" in error_of(run("detect", take, "--kinds", "gap"))
    assert "sensitivity is a positive number" in error_of(run("detect", take, "--sensitivity", "0"))


def test_what_is_found_can_be_repaired_at_once(run: Run, take: Path, tmp_path: Path) -> None:
    code, _, err = run("restore", take, "-o", tmp_path / "o.wav", "--auto")
    assert code == 0
    assert ": 1 filled, 0 refused" in err
    rest = 10 * np.log10(np.mean((soundfile.read(tmp_path / "o.wav")[0] - tones())[GAP] ** 2) / np.mean(tones() ** 2))
    assert rest < -20.0  # two partials over noise at -50 dB are easy; a straight line reaches -1 dB


def test_labels_are_converted_and_keep_their_regions(run: Run, take: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0.25\t0.26\tclick 0.9 ch1: left\n")
    assert run("labels", "convert", tmp_path / "a.txt", tmp_path / "a.json", "--like", take)[0] == 0
    assert run("labels", "convert", tmp_path / "a.json", tmp_path / "b.txt", "--sample-rate", RATE)[0] == 0
    assert (tmp_path / "b.txt").read_text() == "0.250000\t0.260000\tclick 0.9 ch1: left\n"
    again = run("labels", "convert", tmp_path / "a.json", tmp_path / "b.txt", "--sample-rate", RATE)
    assert "exists: pass --force" in error_of(again)
    assert "pass --like RECORDING or --sample-rate HZ" in error_of(
        run("labels", "convert", tmp_path / "a.json", tmp_path / "c.txt")
    )


def test_a_loss_trace_needs_the_length_of_its_packets(run: Run, take: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("0\n" * 25 + "1\n" + "0\n" * 74)
    where = (take, "-o", tmp_path / "o.wav", "--gaps", tmp_path / "t.txt", "--method", "linear")
    assert "pass --packet-ms 20" in error_of(run("restore", *where))
    assert run("restore", *where, "--packet-ms", 10, "-q") == (0, "", "")


def test_verify_says_where_something_else_changed(run: Run, take: Path, tmp_path: Path) -> None:
    changed = samples(take)
    changed[9000, 1] += 1 << 8
    soundfile.write(tmp_path / "b.wav", changed, RATE, subtype="PCM_24")
    code, out, _ = run("verify", take, tmp_path / "b.wav", "--gap", "0.25-0.26")
    assert code == 1
    assert "at 0.562500 s (sample 9000, channel 1)" in out
    assert run("verify", take, tmp_path / "b.wav", "--gap", "9000smp-9001smp")[0] == 0
    assert run("verify", take, tmp_path / "b.wav", "--gap", "0.562-0.5624", "--fade", "0.2")[0] == 0
    assert run("verify", take, take, "-q") == (0, "", "")
    assert "there is no file" in error_of(run("verify", take, tmp_path / "c.wav"))


def test_punched_gaps_lie_where_the_labels_say(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tones(4.0), RATE)
    made = ("-o", tmp_path / "b.wav", "--gaps", 3, "--length", "20ms", "--labels", tmp_path / "t.txt")
    code, _, err = run("punch", tmp_path / "a.wav", *made)
    assert (code, err) == (0, f"{tmp_path / 'b.wav'}: 3 gaps of 20 ms\n")
    truth = read(tmp_path / "t.txt", sample_rate=RATE)
    assert [label.region.length for label in truth] == [320] * 3
    assert all((samples(tmp_path / "b.wav")[label.region.start : label.region.stop] == 0).all() for label in truth)
    assert run("verify", tmp_path / "a.wav", tmp_path / "b.wav", "--gaps", tmp_path / "t.txt")[0] == 0
    assert "is an input" in error_of(run("punch", tmp_path / "a.wav", "-o", tmp_path / "a.wav", "--force"))


def test_evaluate_measures_and_resumes(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tones(3.0, 1), RATE)
    asked = ("evaluate", "--methods", "repeat", "--files", tmp_path / "a.wav", "--gaps", "5ms", "--seeds", "0,1")
    code, out, _ = run(*asked, "--out", tmp_path / "r.jsonl")
    assert code == 0
    assert all(f"`{name}`" in out for name in ("silence", "linear", "repeat"))
    rows = (tmp_path / "r.jsonl").read_text()
    assert rows.count("\n") == 6
    assert run(*asked, "--out", tmp_path / "r.jsonl")[0] == 0
    assert (tmp_path / "r.jsonl").read_text() == rows
    assert "--gaps 0ms is not a length" in error_of(run(*asked, "--gaps", "0ms", "--out", tmp_path / "r.jsonl"))

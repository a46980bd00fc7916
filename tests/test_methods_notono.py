"""NOTONO: selections become cells, cells outside stay, long sounds go by windows, bad wishes are refused."""

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from caesura.codecs import reliable  # noqa: E402
from caesura.codecs.vqvae import CodeMaps  # noqa: E402
from caesura.inpainter import Note  # noqa: E402
from caesura.methods import _notono, build, notono  # noqa: E402
from caesura.methods._notono import open_networks, repaint, window_starts  # noqa: E402
from caesura.methods.notono import Notono  # noqa: E402
from caesura.networks import weights  # noqa: E402
from caesura.networks.codemap_transformer import CodemapTransformer  # noqa: E402
from caesura.networks.sampling import Draw  # noqa: E402
from caesura.networks.weights import MissingWeights  # noqa: E402
from caesura.problem import Problem, Region  # noqa: E402
from caesura.restoration import restore  # noqa: E402

RATE = 16_000


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def note(seconds: float = 4.0, rate: int = RATE) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return np.atleast_2d(sum(0.2 / k * np.exp(-0.5 * k * t) * np.sin(2 * np.pi * 220.0 * k * t) for k in range(1, 6)))


class Recorder:
    """Stands in for `repaint`: draws nothing, and keeps what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.code = code
        monkeypatch.setattr(notono, "repaint", self)

    def __call__(self, networks: Any, maps: Any, unknown: Any, labels: Any, *more: Any) -> Any:
        self.calls.append((maps, unknown, labels))
        if self.code is None:
            return maps
        return tuple(
            torch.where(torch.from_numpy(flags), self.code, codes) for codes, flags in zip(maps, unknown, strict=True)
        )


# --- cells ------------------------------------------------------------------------------------------------------------


def test_the_tiles_cover_the_plane_once() -> None:
    codec = open_networks("tiny").codec
    for samples, columns in ((65_536, 4), (70_000, 5), (100, 1)):
        for top, step in ((True, 1), (False, 2)):
            cells = codec.cells(samples, top=top)
            assert cells.start.size == columns * step
            assert cells.low.size == 32 * step
            assert (cells.start[0], cells.stop[-1]) == (0, samples)
            assert np.array_equal(cells.start[1:], cells.stop[:-1])
            assert (cells.low[0], cells.high[-1]) == (0.0, 8000.0)
            assert np.array_equal(cells.low[1:], cells.high[:-1])
            assert (np.diff(cells.low) > 0).all()


def test_rows_lie_where_the_paper_has_them() -> None:
    """The lowest five coarse rows are about 0 to 177 Hz, the lowest fifteen about 0 to 1 kHz."""
    cells = open_networks("tiny").codec.cells(65_536, top=True)
    assert cells.high[4] == pytest.approx(177.0, abs=1.0)
    assert cells.high[14] == pytest.approx(1019.0, abs=3.0)


def test_codes_of_a_sound_have_the_shape_of_its_length() -> None:
    codec = open_networks("tiny").codec
    for samples, columns in ((65_536, 4), (65_537, 5), (20_000, 2)):
        x = np.random.default_rng(0).standard_normal((2, samples)) * 0.1
        top, bottom = codec.encode(x)
        assert top.shape == (2, 32, columns)
        assert bottom.shape == (2, 64, 2 * columns)
        assert codec.decode(top, bottom, samples).shape == x.shape


@pytest.mark.parametrize(
    ("region", "columns", "rows"),
    [
        (Region(0, 16_000), [0], range(32)),
        (Region(16_000, 17_000), [0, 1], range(32)),
        (Region(30_000, 31_000, 0.0, 500.0), [1], range(11)),
    ],
    ids=str,
)
def test_a_selection_becomes_cells(
    region: Region, columns: list[int], rows: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    Notono("tiny")(Problem(note(), (region,), RATE), rng=np.random.default_rng(0))
    _, (top, bottom), _ = recorder.calls[0]
    chosen = np.zeros((32, 4), dtype=bool)
    chosen[np.ix_(rows, columns)] = True
    assert np.array_equal(top, chosen)
    assert np.array_equal(bottom, chosen.repeat(2, axis=0).repeat(2, axis=1))


def test_the_fine_map_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    Notono("tiny", layer="bottom")(Problem(note(), (Region(100, 7000),), RATE), rng=np.random.default_rng(0))
    _, (top, bottom), _ = recorder.calls[0]
    assert not top.any()
    assert bottom[:, 0].all()
    assert not bottom[:, 1:].any()


def test_the_fine_map_is_drawn_under_the_coarse_one_of_a_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap says nothing of its coarse codes; the recording as its own guide does, and only there."""
    recorder, heard = Recorder(monkeypatch), []

    def encode(self: CodeMaps, x: np.ndarray) -> Any:
        heard.append(x)
        return torch.full((1, 32, 4), len(heard)), torch.full((1, 64, 8), len(heard))

    monkeypatch.setattr(CodeMaps, "encode", encode)
    x = note()
    for guide, codes in ((x, [1, 2, 1, 1]), (None, [1, 1, 1, 1])):
        heard.clear()
        problem = Problem(x, (Region(17_000, 32_000),), RATE, guide=guide)
        Notono("tiny", layer="bottom")(problem, rng=np.random.default_rng(0))
        (top, fine), (drawn, _), _ = recorder.calls[-1]
        assert not drawn.any()
        assert top[0, 0].tolist() == codes
        assert (fine == 1).all()
    assert np.allclose(heard[0][0, :17_000], x[0, :17_000] * notono.PEAK / np.abs(x).max(), atol=1e-6)


def test_a_minute_in_stereo_at_96_khz(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what surrounds a selection is looked at, each channel by itself, and nothing else is touched."""
    recorder, rate = Recorder(monkeypatch, code=7), 96_000
    rng = np.random.default_rng(0)
    x = 0.01 * rng.standard_normal((2, 60 * rate))
    box = Region(50 * rate, 51 * rate, 500.0, 2000.0, channel=1)
    problem = Problem(x, (Region(10 * rate, 10 * rate + 4000), box), rate)
    restored = restore(problem, Notono("tiny")).samples
    changed = [np.flatnonzero(a != b) for a, b in zip(restored, x, strict=True)]
    assert (changed[0].min(), changed[0].max()) == (10 * rate, 10 * rate + 3999)
    assert set(changed[1] // rate) == {10, 50}
    assert np.isin(changed[1][changed[1] >= 20 * rate], np.arange(box.start, box.stop)).all()
    # two channels with the gap, one with the box: eight or nine seconds are heard of a minute
    assert [maps[0].shape for maps, *_ in recorder.calls] == [(1, 32, 8), (1, 32, 8), (1, 32, 9)]
    # above what the networks know, a gap is filled by prediction, and a box keeps what it had
    assert np.isfinite(restored).all()


def test_a_selection_of_many_windows() -> None:
    """Twenty seconds between known ones: no column is forgotten, and its codes differ from window to window."""
    x = np.tile(note(), 6)
    gap = Region(2 * RATE, 22 * RATE)
    restored = restore(Problem(x, (gap,), RATE), Notono("tiny", layer="bottom")).samples
    outside = np.r_[0 : gap.start, gap.stop : x.shape[1]]
    assert np.array_equal(restored[:, outside], x[:, outside])
    inside = restored[0, gap.start : gap.stop].reshape(20, RATE)
    assert (inside.std(axis=1) > 0.0).all()


@pytest.mark.parametrize(("rate", "seconds"), [(48_000, 4.0), (96_000, 1.0), (RATE, 0.04), (8000, 6.0)])
def test_selections_at_other_rates(rate: int, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    x = note(seconds, rate)
    middle = x.shape[1] // 2
    restored = restore(Problem(x, (Region(middle, middle + 64),), rate), Notono("tiny")).samples
    assert np.array_equal(np.flatnonzero((restored != x).any(axis=0)), np.arange(middle, middle + 64))
    _, (top, _), _ = recorder.calls[0]
    assert top.any(axis=0).sum() == 1


def test_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    problem = Problem(note(), (Region(0, 16_000),), RATE)
    for settings in ({}, {"pitch": 60, "family": "mallet", "velocity": 90}):
        Notono("tiny", candidates=2, **settings)(problem, rng=np.random.default_rng(0))  # type: ignore[arg-type]
    told = [labels.tolist() for _, _, labels in recorder.calls]
    assert told == [[[-1, -1, -1]] * 2, [[36, 5, 3]] * 2]


# --- repainting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "wanted", "starts"),
    [
        (4, [0], [0]),
        (4, [3], [0]),
        (9, [0], [0]),
        (9, [5], [4]),
        (9, [8], [5]),
        (9, range(9), [0, 3, 5]),
        (9, [1, 7], [0, 5]),
        (4, [], []),
    ],
)
def test_windows(columns: int, wanted: Any, starts: list[int]) -> None:
    for step in (1, 2):
        unknown = np.zeros((3, columns * step), dtype=bool)
        for column in wanted:
            unknown[1, column * step] = True
        found = list(window_starts(unknown, step))
        assert found == starts
        covered = set(itertools.chain(*(range(start, start + 4) for start in found)))
        assert set(wanted) <= covered


def test_codes_outside_the_selection_stay() -> None:
    networks = open_networks("tiny")
    rng = np.random.default_rng(0)
    maps = (torch.from_numpy(rng.integers(32, size=(2, 32, 6))), torch.from_numpy(rng.integers(32, size=(2, 64, 12))))
    unknown = (np.zeros((32, 6), bool), np.zeros((64, 12), bool))
    unknown[0][3:5, 1] = unknown[0][:4, 5] = True
    unknown[1][:] = unknown[0].repeat(2, axis=0).repeat(2, axis=1)
    uniform = tuple(torch.from_numpy(rng.random(tuple(codes.shape))) for codes in maps)
    seen: list[float] = []
    before = [codes.clone() for codes in maps]
    filled = repaint(networks, maps, unknown, torch.full((2, 3), -1), Draw(), uniform, seen.append)  # type: ignore[arg-type]
    for codes, old, given, flags in zip(filled, before, maps, unknown, strict=True):
        assert torch.equal(given, old)  # the maps that were given are left alone
        assert torch.equal(codes[:, ~flags], old[:, ~flags])
        assert (codes[:, flags] != old[:, flags]).float().mean() > 0.7
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_the_fine_map_is_drawn_under_the_new_coarse_one(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = open_networks("tiny")
    seen = []
    fill = CodemapTransformer.fill

    def watched(self: CodemapTransformer, codes: Any, known: Any, labels: Any, coarse: Any, *more: Any) -> Any:
        filled = fill(self, codes, known, labels, coarse, *more)
        seen.append((self.shape.map, filled, coarse))
        return filled

    monkeypatch.setattr(CodemapTransformer, "fill", watched)
    maps = (torch.zeros(1, 32, 4, dtype=torch.long), torch.zeros(1, 64, 8, dtype=torch.long))
    unknown = (np.zeros((32, 4), bool), np.zeros((64, 8), bool))
    unknown[0][:3, 0] = unknown[1][:6, :2] = True
    uniform = (torch.rand(1, 32, 4), torch.rand(1, 64, 8))
    repaint(networks, maps, unknown, torch.full((1, 3), -1), Draw(), uniform, lambda fraction: None)
    assert [name for name, *_ in seen] == ["top", "bottom"]
    assert torch.equal(seen[1][2], seen[0][1])


# --- the sound --------------------------------------------------------------------------------------------------------


def test_the_ends_of_a_gap_follow_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    Recorder(monkeypatch, code=7)  # as wrong as can be
    x = note()
    restored = restore(Problem(x, (Region(20_000, 24_000),), RATE), Notono("tiny")).samples
    for edge in (slice(20_000, 20_008), slice(23_992, 24_000)):
        assert np.abs(restored - x)[:, edge].max() < 0.05 * np.abs(x).max()


def test_a_box_takes_its_band_only() -> None:
    x = note()
    problem = Problem(x, (Region(16_384, 32_768, 600.0, 1200.0),), RATE)
    change = restore(problem, Notono("tiny")).samples - problem.y
    spectrum = np.abs(np.fft.rfft(change[0])) ** 2
    hertz = np.fft.rfftfreq(x.shape[1], 1 / RATE)
    inside = (hertz > 550.0) & (hertz < 1250.0)
    assert spectrum.sum() > 0.0
    assert spectrum[~inside].sum() < 0.02 * spectrum.sum()
    assert not change[:, :16_384].any()


def test_a_box_above_what_it_hears_is_refused() -> None:
    notes: list[Note] = []
    x = np.random.default_rng(0).standard_normal((1, 44_100)) * 0.1
    problem = Problem(x, (Region(8000, 24_000, 9000.0, 12_000.0),), 44_100)
    Notono("tiny", layer="bottom")(problem, rng=np.random.default_rng(0), note=notes.append)
    assert [n.refused for n in notes] == [True]
    assert "above the 8 kHz" in notes[0].why


def test_from_scratch_everything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    for seconds, columns in ((4.0, 4), (0.5, 4), (10.0, 10)):
        samples = round(seconds * RATE)
        recorder.calls.clear()
        made = restore(Problem(np.zeros((1, samples)), (Region(0, samples),), RATE), Notono("tiny")).samples
        assert np.isfinite(made).all()
        assert np.abs(made).max() <= 1.0
        _, (top, bottom), _ = recorder.calls[0]
        assert top.shape == (32, columns)
        assert top.all()
        assert bottom.all()


def test_seeds_make_different_sounds_and_equal_ones_the_same() -> None:
    problem = Problem(note(), (Region(40_000, 48_000),), RATE)
    method = Notono("tiny", layer="bottom", candidates=2, top_p=1.0)
    one, same, other = (restore(problem, method, seed=seed).samples for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_level_does_not_matter() -> None:
    method = Notono("tiny", layer="bottom")
    loud, quiet = (
        restore(Problem(note() * level, (Region(40_000, 44_000),), RATE), method).samples / level for level in (1, 0.05)
    )
    assert np.allclose(loud, quiet, atol=1e-4)  # single precision inside


def test_progress_can_cancel() -> None:
    def cancel(_fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Notono("tiny")(Problem(note(), (Region(0, 100),), RATE), rng=np.random.default_rng(0), progress=cancel)


# --- what it refuses --------------------------------------------------------------------------------------------------


def test_a_folder_without_weights(tmp_path: Path) -> None:
    problem = Problem(note(0.5), (Region(0, 100),), RATE)
    with pytest.raises(MissingWeights, match=r"vqvae\.safetensors' is not there: run `caesura train vqvae --out") as e:
        restore(problem, Notono(str(tmp_path)))
    assert len(str(e.value).splitlines()) == 1


def test_the_weights_that_come_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word the bundled networks are used, all of them or none; without any it says how to make them."""
    assert build("notono") == Notono("")
    bundled = [path.stem for path in weights.BUNDLED.glob("*.safetensors") if path.stem in _notono.FILES]
    assert len(bundled) in (0, len(_notono.FILES))
    if bundled:
        problem = Problem(note(), (Region(0, 16_000),), RATE)
        restored = restore(problem, build("notono", family="mallet", pitch=60)).samples
        assert np.array_equal(restored[:, 16_000:], problem.y[:, 16_000:])
        assert 0.01 < np.abs(restored[:, :16_000]).max() <= 1.0
    monkeypatch.setattr(_notono, "cards", dict)
    with pytest.raises(
        MissingWeights, match=r"has no weights of notono: run `caesura train vqvae`, .*pass their folder"
    ):
        open_networks.__wrapped__("")


def test_bundled_files_are_found_by_their_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = {}
    for name, network, preset in zip(
        _notono.FILES, _notono._untrained(), ("tiny", "top-tiny", "bottom-tiny"), strict=True
    ):
        file = tmp_path / f"{name}.safetensors"
        module = type(network).__module__.rpartition(".")[2]
        save_file(network.state_dict(), file, metadata={"network": module, "preset": preset})
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        named[f"some-{name}"] = weights.Card(
            f"some-{name}", module, file.name, digest, file.stat().st_size, "CC0-1.0", ""
        )
    monkeypatch.setattr(weights, "BUNDLED", tmp_path)
    for module in (weights, _notono):
        monkeypatch.setattr(module, "cards", lambda: named)
    bundled, untrained = open_networks.__wrapped__(""), open_networks("tiny")
    for key, value in untrained.bottom.state_dict().items():
        assert torch.equal(bundled.bottom.state_dict()[key], value), key
    (tmp_path / "vqvae.safetensors").write_bytes(b"0" * named["some-vqvae"].size)
    with pytest.raises(
        ValueError, match=r"'vqvae\.safetensors' does not have the SHA-256 of its card: reinstall caesura"
    ):
        open_networks.__wrapped__("")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pitch": 100}, "pitch=100 must lie between 24 and 84, or be -1"),
        ({"pitch": 0}, "pitch=0 must lie between 24 and 84"),
        ({"family": "tuba"}, "family='tuba' must be one of any, bass"),
        ({"velocity": 200}, "velocity=200 must lie between 1 and 127"),
        ({"layer": "top"}, "layer='top' must be one of both, bottom"),
        ({"candidates": 0}, "candidates=0 is below 1"),
        ({"top_p": 0.0}, r"top_p=0\.0 must lie in \(0, 1\]"),
        ({"temperature": -1.0}, r"temperature=-1\.0 must be 0 or more"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Notono("tiny", **settings)


def test_networks_that_were_not_trained_together(monkeypatch: pytest.MonkeyPatch) -> None:
    coder, top, bottom = _notono._untrained()
    object.__setattr__(top.shape, "codes", 33)
    monkeypatch.setattr(_notono, "_untrained", lambda: (coder, top, bottom))
    with pytest.raises(ValueError, match="have 32, 33 and 32 codes: they were not trained together"):
        open_networks.__wrapped__("tiny")
    object.__setattr__(top.shape, "codes", 32)


def test_every_region_reaches_some_cell() -> None:
    codec = open_networks("tiny").codec
    for region in (Region(0, 1), Region(65_535, 65_536), Region(5, 9, 7990.0, 8000.0), Region(5, 9, 0.0, 1.0)):
        for top in (True, False):
            assert not reliable(codec.cells(65_536, top=top), [region]).all()


def test_without_torch_it_is_listed_and_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from caesura.methods import build, names\n"
        "from caesura.methods._describe import describe\n"
        "assert 'notono' in names() and describe('notono').summary\n"
        "try: build('notono')\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "notono needs PyTorch: pip install 'caesura[torch]'"

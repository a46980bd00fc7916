"""The lean network: shapes, what it must not depend on, and the whitening around it."""

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from caesura.diffusion import Seeded, Unconstrained, heun, karras, sample  # noqa: E402
from caesura.networks.context import Context  # noqa: E402
from caesura.networks.cqt_lean import PRESETS, CqtLean, Shape, restored  # noqa: E402

TINY = PRESETS["tiny"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trained_looking(shape: Shape = TINY, samples: int | None = None, seed: int = 0) -> CqtLean:
    """A network none of whose weights is zero, as a trained one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CqtLean(shape, samples)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("samples", [TINY.samples, 3000, 5001])
def test_any_length(samples: int) -> None:
    network = trained_looking(samples=samples)
    out = network(noise(2, samples), torch.zeros(2))
    assert out.shape == (2, samples)
    assert out.isfinite().all()


def test_the_items_of_a_batch_do_not_meet() -> None:
    network, x, level = trained_looking(), noise(3, TINY.samples), torch.tensor([-0.5, 0.0, 0.3])
    alone = network(x[1:2], level[1:2], context=x[1:2], unknown=(x[1:2] > 0).float())
    together = network(x, level, context=x, unknown=(x > 0).float())
    # single precision, and other summation orders for other batch sizes
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_it_hears_the_noise_level_the_context_and_what_is_unknown() -> None:
    network, x, level = trained_looking(), noise(1, TINY.samples), torch.zeros(1)
    known = torch.zeros_like(x)
    plain = network(x, level, context=x, unknown=known)
    for other in (
        network(x, level + 0.5, context=x, unknown=known),
        network(x, level, context=x.flip(1), unknown=known),
        network(x, level, context=x, unknown=1.0 - known),
    ):
        assert (other - plain).norm() > 1e-3 * plain.norm()


def test_nothing_told_is_the_default() -> None:
    network, x = trained_looking(), noise(1, TINY.samples)
    told = network(x, torch.zeros(1), context=torch.zeros_like(x), unknown=torch.ones_like(x))
    assert torch.equal(told, network(x, torch.zeros(1)))


def test_its_norms_do_not_look_at_the_rest_of_the_segment() -> None:
    # With statistics of the whole segment a loud end would change the other end; here it is out of reach. The kernels
    # reach 2 cells of 64 samples per level at most, and the lowest octave's cells are the longest.
    network = CqtLean(Shape(8000, 65536, (4, 4), (8, 8), (1, 1), 16))
    network.load_state_dict(trained_looking(Shape(8000, 4096, (4, 4), (8, 8), (1, 1), 16)).state_dict())
    x = noise(1, 65536)
    loud = x.clone()
    loud[:, 40000:44000] *= 100.0
    with torch.no_grad():
        before, after = network(x, torch.zeros(1)), network(loud, torch.zeros(1))
    # Hann bands decay with the cube of the distance: 30 dB more at a distance of 30000 samples leave less than this
    assert (after - before)[:, 5000:10000].abs().max() < 1e-3 * before.abs().max()


def test_the_planes_of_white_noise_have_unit_variance() -> None:
    for plane in CqtLean(TINY).planes(noise(64, TINY.samples)):
        # 64 items of at least 128 cells, correlated by the redundancy of the transform
        assert plane.square().mean().item() == pytest.approx(1.0, rel=0.1)


def test_shares_are_those_of_the_frames() -> None:
    network = CqtLean(TINY)
    unknown = torch.zeros(1, TINY.samples)
    unknown[:, 1024:2048] = 1.0
    for share, (bins, frames) in zip(network.shares(unknown), network.cqt.shapes[1:-1], strict=True):
        assert share.shape == (1, 1, bins, frames)
        assert share.mean().item() == pytest.approx(0.25 * TINY.samples / network.cqt.bands.grid)
        assert share[..., frames // 4].min() == 1.0


def test_the_presets_have_the_sizes_that_were_asked_for() -> None:
    sizes = {
        name: sum(p.numel() for p in CqtLean(shape).parameters()) for name, shape in PRESETS.items() if name != "gpu"
    }
    assert sizes["tiny"] < 50_000
    assert 1.0e6 < sizes["cpu"] < 2.5e6
    for name in ("cpu", "gpu"):  # the lowest octave begins below the 43 Hz that published networks never reached
        shape = PRESETS[name]
        assert shape.sample_rate / 2 ** (len(shape.bins) + 1) < 43.0


@pytest.mark.slow
def test_the_gpu_preset_has_8_to_20_million_parameters() -> None:
    assert 8e6 < sum(p.numel() for p in CqtLean(PRESETS["gpu"]).parameters()) <= 20e6


def test_a_shape_names_every_octave() -> None:
    with pytest.raises(ValueError, match="one number per octave, got 2, 1 and 2"):
        Shape(8000, 4096, (4, 4), (8,), (1, 1))


def test_restored_has_the_weights_it_was_given() -> None:
    network = trained_looking()
    again = restored("tiny", network.state_dict())
    x = noise(1, TINY.samples)
    assert torch.equal(again(x, torch.zeros(1)), network(x, torch.zeros(1)))


def gap(samples: int = TINY.samples) -> Tensor:
    unknown = torch.zeros(2, samples, dtype=torch.bool)
    unknown[:, 1500:2300] = True
    return unknown


def music(samples: int = TINY.samples) -> Tensor:
    t = torch.arange(samples) / TINY.sample_rate
    tone = 0.3 * torch.sin(2 * torch.pi * 440.0 * t) + 0.1 * torch.sin(2 * torch.pi * 660.0 * t)
    return tone + 0.001 * noise(2, samples)


def test_whitening_is_undone_by_colouring() -> None:
    context = Context(trained_looking(), music(), gap())
    x = noise(2, TINY.samples) * context.ends
    # the loudest band lies up to 70 dB above the quietest one
    torch.testing.assert_close(
        context.colour(torch.fft.irfft(torch.fft.rfft(x) / context.envelope)), x, atol=2e-4, rtol=0
    )


def test_whitened_music_is_as_loud_in_every_octave() -> None:
    context = Context(trained_looking(), music(), gap())
    powers = torch.stack([plane.square().mean() for plane in context.network.planes(context.guess)])
    assert powers.max() / powers.min() < 30.0  # the music itself: over 10,000
    raw = torch.stack([plane.square().mean() for plane in context.network.planes(music())])
    assert raw.max() / raw.min() > 1e3


def test_the_level_of_a_recording_changes_nothing_but_the_level() -> None:
    network, x = trained_looking(), music()
    quiet, loud = Context(network, x, gap()), Context(network, 1000.0 * x, gap())
    torch.testing.assert_close(loud.guess, quiet.guess, rtol=1e-3, atol=1e-4)
    z = noise(2, TINY.samples)
    torch.testing.assert_close(loud.colour(z), 1000.0 * quiet.colour(z), rtol=1e-3, atol=1e-3)


def test_the_estimate_is_the_recording_where_it_is_known_and_starts_from_the_guess() -> None:
    context = Context(trained_looking(), music(), gap())
    estimate = context(noise(2, TINY.samples), 0.5)
    known = ~gap()
    assert torch.equal(estimate[known], context.guess[known])
    inside = (estimate - context.guess)[gap()].abs()
    assert inside.max() > 0.01
    edge = (estimate - context.guess).abs()[:, [1500, 2299]]
    assert (edge < 0.05 * inside.max()).all()


def test_blind_items_are_told_the_envelope_only() -> None:
    context = Context(trained_looking(), music(), gap(), torch.tensor([False, True]))
    assert context.guess[1].abs().max() == 0.0
    assert context.unknown[1].min() == 1.0
    assert context.guess[0].abs().max() > 0.0


def test_silence_stays_finite() -> None:
    context = Context(trained_looking(), torch.zeros(2, TINY.samples), gap())
    filled = context.colour(context(noise(2, TINY.samples), 1.0))
    assert filled.isfinite().all()
    assert filled.abs().max() < 1e-3


def test_a_walk_leaves_known_samples_alone_and_repeats_with_its_seed() -> None:
    context = Context(trained_looking(), music(), gap())

    def walk() -> Tensor:
        draw = Seeded([1, 2])
        start = context.guess + 4.0 * draw(context.guess)
        return sample(context, Unconstrained(), None, karras(4, 0.05, 4.0), heun, start=start, noise=draw)

    z = walk()
    assert torch.equal(z, walk())
    torch.testing.assert_close(z[~gap()], context.guess[~gap()], atol=1e-5, rtol=0)

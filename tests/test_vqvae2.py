"""The two-level autoencoder: published shapes and numbers, living codebooks, a loss that angles cannot fool."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from caesura.networks import codebook  # noqa: E402
from caesura.networks.codebook import Codebook, perplexity  # noqa: E402
from caesura.networks.vqvae2 import PRESETS, Shape, Vqvae2, restored  # noqa: E402
from notono_cases import entries, numbers, signal  # noqa: E402

PUBLISHED = {"turning": False, "level": 0.0, "spread": 1.0}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def tensor(values: Any) -> Any:
    return torch.tensor(np.asarray(values), dtype=torch.float64)


def network(parameters: dict[str, Any]) -> Vqvae2:
    names = {"code_dim", "codes", "hidden", "res_blocks", "res_channels"}
    chosen = {key: value for key, value in parameters.items() if key in names}
    return Vqvae2(Shape(bottom=parameters["factor_bottom"], top=parameters["factor_top"], **chosen, **PUBLISHED))


@pytest.mark.parametrize("name", ["bottom16_top2", "bottom8_top4", "bottom4_top2"])
def test_published_shapes(name: str) -> None:
    entry = entries()[f"vqvae_shapes_{name}"]
    expected = entry["expected"]
    model = network(entry["parameters"]).eval()
    assert sum(p.numel() for p in model.parameters()) == expected["parameter_count"]
    for part, count in expected["parameters_by_part"].items():
        assert sum(p.numel() for p in getattr(model, part).parameters()) == count, part
    assert sum(b.numel() for b in model.buffers()) == expected["codebook_buffer_count"]
    if "state_dict" in expected:
        found = [[key, *value.shape] for key, value in model.state_dict().items()]
        assert sorted(found) == sorted(expected["state_dict"])
    # the network is convolutional: a quarter of the image has a quarter of the codes
    with torch.no_grad():
        top, bottom = model.encode(torch.zeros(1, 2, 256, 64))
        assert [4 * top.shape[1], 2 * top.shape[2]] == expected["top_code_shape"]
        assert [4 * bottom.shape[1], 2 * bottom.shape[2]] == expected["bottom_code_shape"]
        assert model.decode(top, bottom).shape == (1, 2, 256, 64)


def test_published_forward_pass() -> None:
    entry = entries()["vqvae_tiny_forward"]
    expected = entry["expected"]
    model = network(entry["parameters"]).double().eval()
    state = model.state_dict()
    for name, seed, amplitude, *shape in entry["input"]["weights_name_seed_amplitude_shape"]:
        state[name] = tensor(numbers(seed, shape, amplitude))
    model.load_state_dict(state)
    image = tensor(signal(entry["input"]["image"]))
    with torch.no_grad():
        fine = model.enc_b(image)
        top, bottom = model.encode(image)
        passed = model(image)
        decoded = model.decode(top, bottom)
    for *index, value in expected["enc_b_samples"]:
        assert float(fine[0][tuple(int(i) for i in index)]) == pytest.approx(value, abs=1e-7, rel=1e-7)
    assert top[0].tolist() == expected["top_codes"]
    assert bottom[0].tolist() == expected["bottom_codes"]
    assert float(passed.distance) == pytest.approx(expected["latent_loss"], rel=1e-7)
    assert float(passed.perplexities[0]) == pytest.approx(expected["perplexity_top"], rel=1e-7)
    assert float(passed.perplexities[1]) == pytest.approx(expected["perplexity_bottom"], rel=1e-7)
    for *index, value in expected["decoded_samples_c_f_t_value"]:
        assert float(decoded[0][tuple(int(i) for i in index)]) == pytest.approx(value, abs=1e-7, rel=1e-7)
    assert float(decoded.norm()) == pytest.approx(expected["decoded"]["l2"], rel=1e-7)
    torch.testing.assert_close(passed.image, decoded)


# --- codebooks --------------------------------------------------------------------------------------------------------


def given(entry: dict[str, Any], counts: float) -> Codebook:
    found = Codebook(
        entry["parameters"]["dim"], entry["parameters"]["codes"], entry["parameters"]["decay"], restart=False
    ).double()
    start = tensor(signal(entry["input"]["codebook"]))
    found.embed.copy_(start)
    found.embed_avg.copy_(start)
    found.cluster_size.fill_(counts)
    return found


def test_published_updates() -> None:
    entry = entries()["codebook_ema_step"]
    book = given(entry, 0.0)
    for batch, step in zip(entry["input"]["batches"], entry["expected"]["steps"], strict=True):
        x = tensor(signal(batch))
        flat = x.reshape(-1, x.shape[-1])
        codes = book.nearest(flat)
        assert codes.reshape(2, 4).tolist() == step["codes"]
        quantised = book.vectors(codes)
        torch.testing.assert_close(quantised, tensor(step["quantised"]).reshape(-1, 3), rtol=1e-7, atol=1e-8)
        assert float((quantised - flat).square().mean()) == pytest.approx(step["latent_loss"], rel=1e-7)
        assert float(perplexity(codes, 7)) == pytest.approx(step["perplexity"], rel=1e-7)
        book.learn(flat, codes)
        # the entry is rounded to nine digits
        torch.testing.assert_close(book.cluster_size, tensor(step["counts_after"]), rtol=1e-7, atol=1e-8)
        torch.testing.assert_close(book.embed_avg, tensor(step["sums_after"]), rtol=1e-7, atol=1e-8)
        torch.testing.assert_close(book.embed, tensor(step["codebook_after"]), rtol=1e-7, atol=1e-8)


def test_published_update_from_one() -> None:
    entry = entries()["codebook_ema_step_counts_one"]
    book = given(entry, 1.0)
    flat = tensor(signal(entry["input"]["batch"])).reshape(-1, 3)
    book.learn(flat, book.nearest(flat))
    torch.testing.assert_close(book.cluster_size, tensor(entry["expected"]["counts_after"]), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(book.embed_avg, tensor(entry["expected"]["sums_after"]), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(book.embed, tensor(entry["expected"]["codebook_after"]), rtol=1e-8, atol=1e-9)


def test_a_codebook_does_not_collapse() -> None:
    """Data far from the origin and much smaller than the random start: the published start keeps 4 of 512 codes."""
    book = Codebook(8, 64).train()
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        x = 10.0 + 0.1 * torch.randn(2048, 8, generator=generator)
        _, codes, distance = book(x)
    assert float(perplexity(codes, 64)) > 50.0
    assert float(distance) < 0.5 * 0.01  # less than half the variance is left


def test_dead_codes_move_to_where_they_are_missed() -> None:
    book = Codebook(2, 16, decay=0.8).train()
    generator = torch.Generator().manual_seed(1)
    book(torch.randn(512, 2, generator=generator))
    for _ in range(40):
        moved = 100.0 + torch.randn(512, 2, generator=generator)
        _, codes, _ = book(moved)
    assert float(perplexity(codes, 16)) > 12.0


def test_a_codebook_that_starts_from_one_vector() -> None:
    book = Codebook(4, 8).train()
    quantised, _, distance = book(torch.ones(32, 4))
    assert torch.isfinite(book.embed).all()
    assert float(distance) < 1e-6
    assert torch.allclose(quantised, torch.ones(32, 4), atol=1e-3)


def test_processes_add_up_what_they_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes with the same vectors learn what one does from twice as many."""
    x = torch.randn(64, 4)
    alone, together = (Codebook(4, 8, restart=False).train() for _ in range(2))
    alone.begin(x)
    together.load_state_dict(alone.state_dict())
    alone.learn(torch.cat([x, x]), alone.nearest(torch.cat([x, x])))
    monkeypatch.setattr(codebook, "_together", lambda: True)
    monkeypatch.setattr(codebook.distributed, "all_reduce", lambda total: total.mul_(2.0))
    together.learn(x, together.nearest(x))
    torch.testing.assert_close(together.embed, alone.embed)
    torch.testing.assert_close(together.cluster_size, alone.cluster_size)


def test_half_precision_finds_the_same_codes() -> None:
    book = Codebook(8, 64).eval()
    x = book.vectors(torch.arange(64)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, codes, distance = book(x)
    assert torch.equal(codes, torch.arange(64))
    assert distance.dtype == torch.float32


def test_gradients_pass_straight_through() -> None:
    book = Codebook(4, 8).eval()
    x = torch.randn(5, 4, requires_grad=True)
    quantised, _, _ = book(x)
    (3.0 * quantised).sum().backward()
    assert torch.equal(x.grad, torch.full((5, 4), 3.0))


def test_a_codebook_that_does_not_train_does_not_move() -> None:
    book = Codebook(4, 8).eval()
    before = book.embed.clone()
    book(torch.randn(20, 4))
    assert torch.equal(book.embed, before)


def test_published_range_of_the_log_power() -> None:
    """The published normalisation is a level and a spread."""
    entry = entries()["range_normaliser"]
    low, high = (entry["input"]["dataset_extremes"][key] for key in ("min_C0", "max_C0"))
    spread = (high - low) / 2 / entry["parameters"]["margin_C0"]
    model = Vqvae2(Shape(turning=False, level=(low + high) / 2, spread=spread)).double()
    assert 1 / spread == pytest.approx(entry["expected"]["C0_scale"], abs=1e-9)
    entered = model.entered(tensor(signal(entry["input"]["values"])))
    torch.testing.assert_close(entered[:, 0], tensor(entry["expected"]["normalised"])[:, 0], rtol=1e-5, atol=1e-5)


# --- the network ------------------------------------------------------------------------------------------------------


def images(count: int = 2) -> Any:
    log_power = tensor(numbers(5, [count, 1, 64, 32], 4.0, -4.0)).float()
    return torch.cat([log_power, tensor(numbers(6, [count, 1, 64, 32])).float()], dim=1)


def test_decoding_the_codes_is_the_forward_pass() -> None:
    model = Vqvae2(PRESETS["tiny"]).eval().requires_grad_(False)
    image = images()
    decoded = model.decode(*model.encode(image))
    assert decoded.shape == image.shape
    torch.testing.assert_close(model.entered(decoded)[:, 0], model(image).image[:, 0])
    assert float(decoded[:, 1].abs().max()) <= 1.0


def test_unquantised_steps_leave_the_codebooks_for_later() -> None:
    model = Vqvae2(PRESETS["tiny"]).train()
    passed = model.unquantised(images())
    assert float(passed.distance) == 0.0
    assert not model.quantize_t.cluster_size.any()
    passed.image.sum().backward()
    assert float(model.quantize_conv_t.weight.grad.abs().max()) > 0.0
    model(images())
    for book in (model.quantize_t, model.quantize_b):
        assert book.cluster_size.any()
    assert len(torch.unique(model.encode(images())[1])) > 4


def test_a_full_turn_is_no_error() -> None:
    model = Vqvae2(PRESETS["tiny"]).eval()
    image, passed = images(), None
    turned = image.clone()
    turned[:, 1] += 2.0
    passed = model(image)
    torch.testing.assert_close(model.loss(image, passed), model.loss(turned, passed), rtol=1e-4, atol=1e-4)
    exact = passed._replace(image=model.entered(image), distance=torch.zeros(()))
    assert float(model.loss(image, exact)) == 0.0


def test_frequencies_of_quiet_cells_hardly_count() -> None:
    model = Vqvae2(PRESETS["tiny"]).eval()
    image = images()
    image[:, 0] = -13.0
    image[:, 0, :32] = 5.0
    right = model(image)._replace(image=model.entered(image), distance=torch.zeros(()))

    def wrong(rows: slice) -> float:
        off = right.image.clone()
        off[:, 1:, rows] *= -1.0
        return float(model.loss(image, right._replace(image=off)))

    assert wrong(slice(32, 64)) < 0.02 * wrong(slice(0, 32))


def test_it_learns_two_images() -> None:
    model = Vqvae2(PRESETS["tiny"]).train()
    image = images()
    image[:, 0] = torch.sin(torch.arange(64.0) / 5)[None, :, None] * 4 - 4
    image[:, 1] = 0.9
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        loss = model.loss(image, model(image))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_weights_come_back() -> None:
    model = Vqvae2(PRESETS["tiny"]).eval()
    again = restored("tiny", model.state_dict())
    assert torch.equal(again(images()).image, model(images()).image)


def test_shapes_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="bottom=5 must be 2, 4, 8 or 16"):
        Shape(bottom=5)
    with pytest.raises(ValueError, match="hidden=10 must be a multiple of 4"):
        Shape(hidden=10)
    with pytest.raises(ValueError, match=r"decay=1.0 must lie in \[0, 1\)"):
        Codebook(4, 8, 1.0)

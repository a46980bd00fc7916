"""The networks of AudioLDM and Tango: names, shapes and numbers of the published parts, schedules and guidance."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from caesura.codecs import reliable
from caesura.codecs.vae import Latents
from caesura.diffusion import FromEpsilon, FromVelocity, Guided, Masked, NullSpace, ddpm
from caesura.diffusion.schedules import sigmas_of
from caesura.networks import audioldm, tango
from caesura.networks.audioldm import open_audioldm, tiny_vae, with_reference_heads
from caesura.networks.checkpoints import filled, part_of, untrained
from caesura.networks.first_stage import autoencoder_of, vocoder_of
from caesura.networks.key_maps import audioldm_unet_key, current_vae_key, vae_key, vocoder_key
from caesura.networks.latent_models import MelVae, scaled_linear
from caesura.networks.tango import text_config, unet_config
from caesura.problem import Region

torch.set_num_threads(1)

DATA = Path(__file__).parent / "data"
SAMPLES = 163_840


@cache
def entries() -> dict[str, dict[str, Any]]:
    found = json.loads((DATA / "tango.json").read_text())["entries"]
    return {entry["id"]: entry for entry in found}


def lcg(seed: int, *shape: int) -> Tensor:
    """The generator of the parity files, by doubling: k steps at once are one affine map."""
    count = math.prod(shape)
    modulus, a, c = 2**31, 1103515245, 12345
    states = np.array([(a * seed + c) % modulus], dtype=np.int64)
    while states.size < count:
        states = np.concatenate([states, (a * states + c) % modulus])
        a, c = a * a % modulus, (a * c + c) % modulus
    return torch.from_numpy(states[:count] / 2.0**30 - 1.0).reshape(shape)


def by_rule(keys: Sequence[Sequence[str]], seed: int) -> dict[str, Tensor]:
    """The weights of an entry by reference key, as `meta.weight_rule` has it."""
    made = {}
    for number, row in enumerate(keys):
        shape = [int(n) for n in row[-2 if len(row) == 4 else -1].split("x")]
        u = lcg(seed + number, *shape)
        if row[0].endswith(".bias"):
            u = 0.1 * u
        elif len(shape) == 1:
            u = 1.0 + 0.1 * u
        else:
            u = u * math.sqrt(3.0 / math.prod(shape[1:]))
        made[row[0]] = u.float()
    return made


def agrees(
    found: Tensor, wanted: Mapping[str, float], stats: Mapping[str, Any], tolerance: Mapping[str, float]
) -> None:
    for cell, value in wanted.items():
        assert float(found[tuple(map(int, cell.split(",")))]) == pytest.approx(value, abs=tolerance["abs"])
    assert list(found.shape) == stats["shape"]
    assert float(found.double().norm()) == pytest.approx(stats["l2"], rel=tolerance["stats_rel"])


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


# --- names and shapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "rule"), [("vae", vae_key), ("vocoder", vocoder_key), ("audioldm_unet", audioldm_unet_key)]
)
def test_the_key_maps_are_strict(part: str, rule: Any) -> None:
    rows = [line.split("\t") for line in (DATA / f"tango_{part}_key_map.tsv").read_text().splitlines()[2:]]
    assert [rule(row[0]) for row in rows] == [row[1] for row in rows]
    assert len({row[1] for row in rows}) == len(rows)
    network, shapes = published_parts()[part], 3 if part == "vae" else 2
    wanted = {name: "x".join(map(str, t.shape)) for name, t in network.state_dict().items()}
    extra = {"mean": "64", "scale": "64"} if part == "vocoder" else {}
    assert {row[1]: row[shapes] for row in rows} | extra == wanted


@cache
def published_parts() -> dict[str, Any]:
    """The parts in their published sizes, without memory for their weights."""
    parts, sizes = entries()["networks/unet_configs"]["expected"], entries()["networks/part_sizes"]["expected"]
    unet = part_of("diffusers", "UNet2DConditionModel")
    with torch.device("meta"):
        vae = part_of("diffusers", "AutoencoderKL")(**sizes["vae"]["diffusers"])
        settings = part_of("transformers", "SpeechT5HifiGanConfig")(
            model_in_dim=64, upsample_initial_channel=1024, upsample_rates=[5, 4, 2, 2, 2],
            upsample_kernel_sizes=[16, 16, 8, 4, 4], normalize_before=False,
        )  # fmt: skip
        vocoder = part_of("transformers", "SpeechT5HifiGan")(settings)
        return {
            "vae": vae,
            "vocoder": vocoder,
            "audioldm_unet": unet(**parts["audioldm"]["s"]["diffusers"]),
            "tango_unet": unet(**parts["tango"]["diffusers"]),
        }


def test_the_parts_have_as_many_numbers_as_the_published_ones() -> None:
    parts, expected = published_parts(), entries()["networks/unet_configs"]["expected"]
    sizes = entries()["networks/part_sizes"]["expected"]
    assert count(parts["vae"]) == sizes["vae"]["parameters"]
    assert count(parts["vocoder"]) == sizes["vocoder"]["parameters"]
    assert count(parts["audioldm_unet"]) == expected["audioldm"]["s"]["parameters"]
    assert count(parts["tango_unet"]) == expected["tango"]["parameters"]


@pytest.mark.parametrize("size", ["s", "m", "l"])
def test_audioldm_gets_the_heads_it_was_trained_with(size: str) -> None:
    right = entries()["networks/unet_configs"]["expected"]["audioldm"][size]["diffusers"]
    for wrong in ({**right, "attention_head_dim": 8}, {k: v for k, v in right.items() if k != "attention_head_dim"}):
        assert with_reference_heads(wrong) == right
    assert with_reference_heads(right) == right


def test_tangos_configuration_is_read_off_its_tensors() -> None:
    published = entries()["networks/unet_configs"]["expected"]["tango"]["diffusers"]
    read_off = unet_config(published_parts()["tango_unet"].state_dict())
    assert {k: v for k, v in published.items() if k in read_off} == read_off
    # What is not read off is the default of the class, or said to be for information only.
    config = published_parts()["tango_unet"].__class__(**TINY_UNET).config
    for key in published.keys() - read_off.keys() - {"sample_size"}:
        assert config[key] == published[key], key


TINY_UNET = {
    "block_out_channels": (32,),
    "down_block_types": ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",),
    "mid_block_type": None,
}


def test_text_encoders_of_the_published_sizes() -> None:
    sizes = entries()["networks/part_sizes"]["expected"]
    wanted = {
        k: v
        for k, v in sizes["flan_t5_large_encoder"].items()
        if k not in ("parameters", "feed_forward", "checkpoint_prefix")
    }
    with torch.device("meta"):
        t5 = part_of("transformers", "T5EncoderModel")(
            part_of("transformers", "T5Config")(**wanted, feed_forward_proj="gated-gelu")
        )
        clap = part_of("transformers", "ClapTextModelWithProjection")(part_of("transformers", "ClapTextConfig")())
    assert count(t5) == sizes["flan_t5_large_encoder"]["parameters"]
    assert text_config(t5.state_dict()) == {**wanted, "feed_forward_proj": "gated-gelu"}
    assert count(clap) == sizes["clap_text_with_projection"]["parameters"]
    everything = count(t5) + count(published_parts()["tango_unet"])
    assert everything == sizes["tango_main_file"]["float32_parameters"]


def test_a_text_enters_audioldm_as_one_vector_beside_the_time() -> None:
    wanted, unet = entries()["networks/conditioning"]["expected"]["audioldm"], published_parts()["audioldm_unet"]
    assert list(unet.class_embedding.weight.shape) == wanted["film_linear"]["s"]
    width = wanted["residual_block_embedding_width"]["s"]
    assert unet.mid_block.resnets[0].time_emb_proj.in_features == width
    assert wanted["time_embedding_width"]["s"] + wanted["film_linear"]["s"][1] == width


@pytest.mark.parametrize("old", ["query", "key", "value", "proj_attn"])
def test_names_of_older_versions_are_known(old: str) -> None:
    new = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}[old]
    stem = "encoder.mid_block.attentions.0"
    assert current_vae_key(f"{stem}.{old}.weight") == f"{stem}.{new}.weight"
    assert current_vae_key(f"{stem}.{new}.bias") == f"{stem}.{new}.bias"
    assert current_vae_key("encoder.conv_in.weight") == "encoder.conv_in.weight"


# --- numbers --------------------------------------------------------------------------------------------------------


def test_the_autoencoder_computes_what_the_published_one_computes() -> None:
    entry = entries()["networks/tiny_vae"]
    p, wanted, tolerance = entry["parameters"], entry["expected"], entry["tolerance"]
    weights = by_rule(p["reference_keys"], entry["input"]["weight_seed"])
    vae = MelVae(autoencoder_of(weights, "tiny"))
    assert count(vae.network) == wanted["parameters"]
    mean, log_variance = vae.moments((4.0 * lcg(11, 1, 1, 64, 32) - 5.0).float())
    agrees(mean, wanted["mean"], wanted["mean_stats"], tolerance)
    agrees(log_variance, wanted["logvar"], wanted["logvar_stats"], tolerance)
    noise = (3.0**0.5 * lcg(12, *mean.shape)).float()
    codec = Latents(_Given(mean, log_variance), torch.nn.Identity(), p["scale_factor"])
    drawn = codec.encode(torch.zeros(1, 1280), noise)
    agrees(drawn, wanted["scaled_latent_sample"], wanted["scaled_latent_stats"], tolerance)
    latent = (1.5 * lcg(13, 1, 4, 16, 8)).float()
    agrees(vae.decoded(latent / p["scale_factor"]), wanted["decoded"], wanted["decoded_stats"], tolerance)


class _Given:
    """An autoencoder whose posterior is what it is told."""

    def __init__(self, *posterior: Tensor) -> None:
        self.posterior = posterior

    def moments(self, mel: Tensor) -> tuple[Tensor, ...]:
        return self.posterior

    def decoded(self, latents: Tensor) -> Tensor:
        return latents


def test_the_vocoder_computes_what_the_published_one_computes() -> None:
    entry = entries()["networks/tiny_vocoder"]
    wanted = entry["expected"]
    weights = by_rule(entry["parameters"]["reference_keys"], entry["input"]["weight_seed"])
    vocoder = vocoder_of(weights, "tiny")
    assert count(vocoder) == wanted["parameters"]
    wave = vocoder((2.0 * lcg(12, 1, 20, 16) - 4.0).float())
    assert wave.shape[1] == wanted["samples_out"]
    agrees(wave, wanted["waveform"], wanted["waveform_stats"], entry["tolerance"])


def test_the_vocoder_rings_on_for_32_samples() -> None:
    vocoder = untrained(audioldm.tiny_vocoder)
    for row in entries()["frames/durations"]["expected"]["table"][:2]:
        assert vocoder(torch.zeros(1, row["target_frames"], 64)).shape[1] == row["vocoder_samples"]


def test_the_unet_of_audioldm_computes_what_the_published_one_computes() -> None:
    entry = entries()["networks/tiny_audioldm_unet"]
    p, wanted = entry["parameters"], entry["expected"]
    weights = by_rule(p["reference_keys"], entry["input"]["weight_seed"])
    layers = p["reference"]["num_res_blocks"]
    named = {audioldm_unet_key(key, layers): t for key, t in weights.items()}
    assert list(named) == [row[1] for row in p["reference_keys"]]
    config = with_reference_heads({k: v for k, v in p["diffusers"].items() if k != "attention_head_dim"})
    unet = filled(part_of("diffusers", "UNet2DConditionModel").from_config(config), named, "tiny")
    film = lcg(14, 2, 12)
    film = (film / film.norm(dim=1, keepdim=True)).float()
    x, t = (3.0**0.5 * lcg(13, 2, 4, 16, 8)).float(), torch.tensor(entry["input"]["timesteps"])
    out = unet(x, t, encoder_hidden_states=None, class_labels=film).sample
    agrees(out, wanted["output"], wanted["output_stats"], entry["tolerance"])


def test_the_unet_of_tango_computes_what_the_published_one_computes() -> None:
    entry = entries()["networks/tiny_tango_unet"]
    p, wanted = entry["parameters"], entry["expected"]
    weights = by_rule(p["reference_keys"], entry["input"]["weight_seed"])
    config = {**unet_config(weights), "attention_head_dim": p["config"]["attention_head_dim"]}
    unet = filled(part_of("diffusers", "UNet2DConditionModel").from_config(config), weights, "tiny")
    assert count(unet) == wanted["parameters"]
    x, t = (3.0**0.5 * lcg(14, 2, 4, 16, 8)).float(), torch.tensor(entry["input"]["timestep"])
    context, mask = lcg(15, 2, 7, 24).float(), torch.tensor(entry["input"]["mask"]).bool()
    out = unet(x, t, encoder_hidden_states=context, encoder_attention_mask=mask).sample
    agrees(out, wanted["output"], wanted["output_stats"], entry["tolerance"])
    every = unet(x, t, encoder_hidden_states=context).sample
    agrees(every, wanted["output_all_tokens"], wanted["output_all_tokens_stats"], entry["tolerance"])


def test_a_network_takes_its_own_weights_and_no_others() -> None:
    vae = untrained(tiny_vae)
    weights = vae.state_dict()
    name = "encoder.conv_in.weight"
    for wrong in (
        {**weights, "more": torch.zeros(1)},
        {**weights, name: torch.zeros(1)},
        {k: weights[k] for k in [name]},
    ):
        with pytest.raises(ValueError, match=r"does not fit: .* the first is"):
            filled(vae, wrong, "it")
    computed = {**weights, "text_model.embeddings.position_ids": torch.zeros(1, 3)}
    assert filled(vae, computed, "it") is vae


# --- what a latent looks at -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", entries()["mask/rows_for_gaps"]["expected"]["cases"])
@pytest.mark.parametrize(
    ("sees", "key"),
    [
        ("tile", "rows_tile"),
        ("frames", "rows_with_any_such_frame"),
        ("encoder", "rows_with_gap_in_encoder_receptive_field"),
    ],
)
def test_rows_of_a_gap(case: dict[str, Any], sees: Any, key: str) -> None:
    cells = open_audioldm("tiny").codec.cells(SAMPLES, sees)
    kept = reliable(cells, [Region(*case["gap_samples"])])
    assert kept.shape == (256, 16)
    lost = np.flatnonzero(~kept.all(axis=1))
    assert [lost[0], lost[-1] + 1] == case[key]
    assert not kept[lost].any()


def test_columns_of_a_band() -> None:
    wanted = entries()["mask/columns"]["expected"]
    codec = open_audioldm("tiny").codec
    cells = codec.cells(SAMPLES, "tile")
    np.testing.assert_allclose(cells.low, wanted["column_low_hz"], atol=1e-6)
    np.testing.assert_allclose(cells.high, wanted["column_high_hz"], atol=1e-6)
    preset = wanted["super_resolution_preset"]
    above = reliable(cells, [Region(0, SAMPLES, preset["lowest_centre_hz"])])
    first, stop = preset["columns"]
    assert not above[:, first:stop].any()
    # The column below reaches a little into that band, with the upper flank of its last bin.
    assert above[:, : first - 1].all()
    assert not reliable(codec.cells(SAMPLES), [Region(0, SAMPLES, 7000.0)]).any()


@pytest.mark.parametrize("case", entries()["mask/audioldm_ratio"]["expected"]["cases"])
def test_ratios_of_audioldm_as_regions(case: dict[str, Any]) -> None:
    codec = open_audioldm("tiny").codec
    regions = codec.regions(SAMPLES, tuple(case["time_ratio"]), tuple(case["freq_ratio"]))
    kept = reliable(codec.cells(SAMPLES, "tile"), regions)
    wanted = np.ones((256, 16), bool)
    for first, stop in case["regenerated_rows"]:
        wanted[first:stop] = False
    for first, stop in case["regenerated_columns"]:
        wanted[:, first:stop] = False
    np.testing.assert_array_equal(kept, wanted)
    assert (~kept).sum() == case["cells_regenerated"]


@pytest.mark.parametrize("case", entries()["mask/tango_ratio"]["expected"]["cases"])
def test_ratios_of_the_scripts_for_tango_as_regions(case: dict[str, Any]) -> None:
    codec = open_audioldm("tiny").codec
    kept = reliable(codec.cells(SAMPLES, "tile"), codec.regions(SAMPLES, tuple(case["ratio"])))
    lost = np.flatnonzero(~kept.all(axis=1))
    assert [[lost[0], lost[-1] + 1]] == case["time"]["zero"]


@cache
def bare_vae() -> nn.Module:
    """The published depth, with nothing but convolutions between its ends."""
    levels = 3

    def build() -> nn.Module:
        vae = part_of("diffusers", "AutoencoderKL")(
            in_channels=1, out_channels=1, block_out_channels=(2,) * levels, layers_per_block=2, latent_channels=1,
            norm_num_groups=1, down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels, mid_block_add_attention=False,
        )  # fmt: skip
        for module in list(vae.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.GroupNorm):
                    setattr(module, name, nn.Identity())
        return vae  # type: ignore[no-any-return]

    return untrained(build)  # type: ignore[no-any-return]


def reached(output: Tensor, given: Tensor) -> list[int]:
    """First and one past the last place along time that an output depends on."""
    (gradient,) = torch.autograd.grad(output, given)
    along = np.flatnonzero(
        gradient.abs().amax(dim=tuple(d for d in range(gradient.ndim) if d != gradient.ndim - 2)) > 0
    )
    return [int(along[0]), int(along[-1]) + 1]


def test_receptive_fields_of_the_convolutions() -> None:
    wanted = entries()["networks/receptive_fields"]["expected"]
    mel = torch.randn(1, 1, 520, 16).requires_grad_()
    mean = bare_vae().encode(mel).latent_dist.mean
    for row, first, stop in wanted["encoder_row_to_mel_frames"]:
        assert reached(mean[0, 0, row].sum(), mel) == [first, stop]
        mean = bare_vae().encode(mel).latent_dist.mean
    latents = torch.randn(1, 1, 130, 4).requires_grad_()
    for frame, first, stop in wanted["decoder_mel_frame_to_rows"]:
        assert reached(bare_vae().decode(latents).sample[0, 0, frame].sum(), latents) == [first, stop]
    vocoder = untrained(audioldm.tiny_vocoder)
    frames = torch.randn(1, 160, 64).requires_grad_()
    for sample, first, stop in wanted["vocoder_sample_to_mel_frames"]:
        assert reached(vocoder(frames)[0, sample], frames) == [first, stop]


def test_latents_refuse_what_is_no_whole_number_of_rows() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1000\): \(batch, a multiple of 640 samples\)"):
        open_audioldm("tiny").codec.encode(torch.zeros(1, 1000))


# --- schedules and guidance -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "betas"), [("audioldm", audioldm.BETAS), ("tango", tango.BETAS)])
def test_schedules(name: str, betas: tuple[float, float]) -> None:
    wanted = entries()[f"schedule/{name}"]["expected"]
    abar = scaled_linear(*betas)
    for k, value in wanted["alphas_cumprod"].items():
        assert float(abar[int(k)]) == pytest.approx(value, rel=1e-9)
    for k, value in wanted["sigma"].items():
        assert float(sigmas_of(abar)[int(k)]) == pytest.approx(value, rel=1e-9)
    assert float(abar.sum()) == pytest.approx(wanted["alphas_cumprod_sum"], rel=1e-9)


@pytest.mark.parametrize("steps", [50, 100, 200, 30])
def test_time_steps(steps: int) -> None:
    wanted = entries()[f"timesteps/S{steps}"]["expected"]
    for betas, offset, key in ((audioldm.BETAS, 1, "diffusers_ddim_offset1"), (tango.BETAS, 0, "tango_ddpm_offset0")):
        abar = scaled_linear(*betas)
        expected = sigmas_of(abar)[wanted[key]]
        torch.testing.assert_close(ddpm(abar, steps, offset=offset)[:-1], expected, rtol=0, atol=0)


@pytest.mark.parametrize("steps", [50, 100, 200, 30])
def test_audioldm_walks_the_levels_it_publishes(steps: int) -> None:
    wanted = entries()[f"timesteps/S{steps}"]["expected"]
    levels = audioldm.published_levels(steps)
    assert len(levels) == wanted["audioldm_count"] + 1
    abar = scaled_linear(*audioldm.BETAS)
    torch.testing.assert_close(levels[:-1], sigmas_of(abar)[wanted["audioldm"]], rtol=0, atol=0)
    where = wanted["audioldm_positions"]
    torch.testing.assert_close(levels[where], torch.tensor(wanted["audioldm_sigma"]).double(), rtol=1e-6, atol=0)
    after = levels[[k + 1 for k in where]]
    torch.testing.assert_close(after, torch.tensor(wanted["audioldm_sigma_next"]).double(), rtol=1e-6, atol=0)


def posed() -> tuple[Any, Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The exact denoiser of the guidance entries as an epsilon network, its state and its conditions."""
    shape = (1, 2, 3, 2)

    def network(x: Tensor, t: Tensor, *, mean: Tensor) -> Tensor:
        a = scaled_linear(*audioldm.BETAS)[t].reshape(-1, 1, 1, 1)
        denoised = mean + 0.25 * a.sqrt() * (x - a.sqrt() * mean) / (0.25 * a + 1.0 - a)
        return (x - a.sqrt() * denoised) / (1.0 - a).sqrt()

    x = (3.0**0.5 * lcg(41, *shape)).float().double()
    told, untold = ({"mean": (s * lcg(k, *shape)).float().double()} for k, s in ((42, 1.5), (43, 0.2)))
    return network, x, told, untold


@pytest.mark.parametrize("name", ["guidance/text_w2.5", "guidance/text_w1.0", "guidance/text_w0.0"])
@pytest.mark.parametrize("kind", ["epsilon", "velocity"])
def test_text_guidance(name: str, kind: str) -> None:
    p, wanted = entries()[name]["parameters"], entries()[name]["expected"]
    network, x, told, untold = posed()
    abar, calls = scaled_linear(*audioldm.BETAS), []

    def asked(x: Tensor, t: Tensor, *, mean: Tensor) -> Tensor:
        calls.append(int(t))
        e, a = network(x, t, mean=mean), abar[t].reshape(-1, 1, 1, 1)
        return e if kind == "epsilon" else (e - (1.0 - a).sqrt() * x) / a.sqrt()

    prior = Guided({"epsilon": FromEpsilon, "velocity": FromVelocity}[kind](asked, abar), p["guidance_scale"], untold)
    sigma = float(sigmas_of(abar)[p["t"]])
    assert sigma == pytest.approx(wanted["sigma"], rel=1e-9)
    x0 = prior(x / abar[p["t"]].sqrt(), sigma, **told)
    # Both agree with the reference to what its single precision leaves of a division by sqrt(abar) = 0.2.
    np.testing.assert_allclose(x0.flatten(), wanted["x0"], atol=1e-5)
    following = x0 + wanted["sigma_next"] * (x / abar[p["t"]].sqrt() - x0) / sigma
    np.testing.assert_allclose(following.flatten(), wanted["x_ve_next"], atol=1e-5)
    assert set(calls) == {p["t"]}
    assert len(calls) == wanted["network_calls"][0]["batch"]


def test_guidance_comes_before_the_data() -> None:
    entry = entries()["guidance/order_with_null_space"]
    wanted, p = entry["expected"], entry["parameters"]
    network, x, told, untold = posed()
    abar = scaled_linear(*audioldm.BETAS)
    prior = Guided(FromEpsilon(network, abar), p["guidance_scale"], untold)
    mask = lcg(46, 1, 2, 3, 2) > 0
    assert mask.flatten().int().tolist() == wanted["mask"]
    sigma, state = float(sigmas_of(abar)[p["t"]]), x / abar[p["t"]].sqrt()
    np.testing.assert_allclose(prior(state, sigma, **told).flatten(), wanted["x0_guided"], atol=1e-5)
    estimate = NullSpace().denoise(prior, state, sigma, Masked(lcg(47, 1, 2, 3, 2), mask), None, **told)
    np.testing.assert_allclose(estimate.x0.flatten(), wanted["x0_guided_then_projected"], atol=1e-5)


def test_two_guidance_scales_are_two_guided_priors() -> None:
    entry = entries()["guidance/two_scales"]
    text, guide = entry["parameters"]["text_scale"], entry["parameters"]["guide_scale"]
    outputs = {"full": lcg(48, 1, 12), "guide": lcg(49, 1, 12), "none": lcg(50, 1, 12)}

    def prior(x: Tensor, sigma: Any, *, told: str) -> Tensor:
        return outputs[told]

    inner = Guided(prior, guide, {"told": "none"})
    out = inner(torch.zeros(1, 12), 1.0, told="guide") + text * (outputs["full"] - outputs["guide"])
    np.testing.assert_allclose(out.flatten(), entry["expected"]["out"], atol=1e-12)


def test_a_start_that_is_standard_normal_at_the_networks_input() -> None:
    wanted = entries()["timesteps/initial_noise"]
    for betas, which in ((audioldm.BETAS, "audioldm"), (tango.BETAS, "tango")):
        sigma = float(sigmas_of(scaled_linear(*betas))[wanted["input"][f"t_{which}"]])
        assert sigma == pytest.approx(wanted["expected"][f"{which}_sigma"], rel=1e-6)
        assert math.hypot(1.0, sigma) == pytest.approx(wanted["expected"][f"{which}_ve_std_of_x"], rel=1e-6)

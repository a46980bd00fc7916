"""Published numbers of NOTONO where this package does something else: what it does instead, and how the two compare.

The numbers are met either by our own parts in the published arrangement, or by the published rule written here; then
the test says what takes its place and why. That every entry of the parity file is tested somewhere is tested as well.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from caesura.audio import read
from caesura.data.notes import Note, read_note
from notono_cases import entries, signal

HERE = Path(__file__).parent


def test_every_entry_is_tested() -> None:
    """Tests name an entry, or its beginning where they take all that begin so."""
    text = "".join(path.read_text() for path in HERE.glob("test_*.py"))
    named = {
        name.split("{")[0]
        for name in re.findall(r'entries\(\)\[f?"(.*?)"\]|startswith\("(\w+)"\)', text)
        for name in name
    }
    missing = [name for name in entries() if not any(name.startswith(known) for known in named if known)]
    assert not missing


# --- the range of images ----------------------------------------------------------------------------------------------


def test_range_of_images() -> None:
    """Each channel as a x + b, between the margins.

    Our network is given log power so, in fixed units, which is the same map for all data; the angle it is given as
    cosine and sine, because +1 and -1 are the same angle and no scale makes them so.
    """
    entry = entries()["range_normaliser"]
    extremes, expected = entry["input"]["dataset_extremes"], entry["expected"]
    values = signal(entry["input"]["values"])
    for channel, name in enumerate(("C0", "C1")):
        low, high, margin = extremes[f"min_{name}"], extremes[f"max_{name}"], entry["parameters"][f"margin_{name}"]
        scale = 2.0 * margin / (high - low)
        shift = -margin * (2.0 * low / (high - low) + 1.0)
        assert scale == pytest.approx(expected[f"{name}_scale"], abs=1e-11)
        assert shift == pytest.approx(expected[f"{name}_shift"], abs=1e-11)
        np.testing.assert_allclose(
            scale * values[:, channel] + shift, np.array(expected["normalised"])[:, channel], rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(
            (values[:, channel] - shift) / scale, np.array(expected["denormalised"])[:, channel], rtol=1e-5, atol=1e-5
        )


def test_our_images_enter_with_one_angle_for_one_frequency() -> None:
    torch = pytest.importorskip("torch")
    from caesura.networks.vqvae2 import PRESETS, Vqvae2

    model = Vqvae2(PRESETS["tiny"])
    image = torch.from_numpy(signal(entries()["range_normaliser"]["input"]["values"])).float()
    turned = image + torch.tensor([0.0, 2.0])[:, None, None]
    torch.testing.assert_close(model.entered(turned), model.entered(image), rtol=0, atol=1e-4)
    assert model.entered(image).shape[1] == 3
    level, spread = model.shape.level, model.shape.spread
    torch.testing.assert_close(model.entered(image)[:, 0] * spread + level, image[:, 0], rtol=0, atol=1e-5)


# --- sizes of the transformers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(4))
def test_sizes_of_the_transformers(index: int) -> None:
    """Our attention in the published layers has exactly the published number of parameters.

    Ours are arranged in another way, a twentieth of the size: see `caesura.networks.codemap_transformer`.
    """
    pytest.importorskip("torch")
    from torch import nn

    from caesura.networks.relative_attention import RelativeAttention

    entry = entries()["transformer_parameter_counts"]
    p, case = entry["parameters"], entry["expected"]["models"][index]
    width, hidden, heads = p["d_model"], p["feed_forward"], p["heads"]
    group = 1 if case["model"] == "top" else 4
    source = 1 + p["top_shape"][0] * p["top_shape"][1]

    def count(*modules: Any) -> int:
        return sum(parameter.numel() for module in modules for parameter in module.parameters())

    def layer(length: int, norms: int) -> int:
        mix = count(nn.Linear(width, hidden), nn.Linear(hidden, width))
        attention = count(RelativeAttention(width, heads, length, ahead=True))
        return attention + mix + norms * count(nn.LayerNorm(width))

    across = count(RelativeAttention(width, heads, source, ahead=True))
    if case["aligned_decoder"]:
        across = count(nn.Linear(width, 2 * width), nn.Linear(2 * width, group * width))
    blocks = p["encoder_layers"] * layer(source, 2) + p["decoder_layers"] * (layer(group * source, 3) + across)
    assert blocks == case["transformer"]
    labels = sum(p["class_dims"])
    inner = width - p["positional_dim"] - labels
    codes = 512
    outside = {
        "source_embed": (codes + (case["model"] == "top")) * p["embedding_dim"],  # one more for what is masked
        "source_embeddings_linear": count(nn.Linear(p["embedding_dim"], inner)),
        "target_embeddings_linear": count(nn.Linear(p["embedding_dim"], inner)),
        "target_embed": codes * p["embedding_dim"],
        "project_transformer_outputs_to_logits": count(nn.Linear(width, codes)),
        "class_conditioning_embedding_layers": sum(
            number * dim for number, dim in zip(p["classes"].values(), p["class_dims"], strict=True)
        ),
    }
    assert outside == case["outside_transformer"]
    starts = (1 + group) * (width - labels)  # the labels are attached to them later
    rows = p["top_shape"][0], p["bottom_shape" if group == 4 else "top_shape"][0]
    places = p["positional_dim"] // 2 * (sum(rows) + group + p["top_shape"][1])
    assert blocks + sum(outside.values()) + starts + places == case["parameters"]


# --- sounds of the user -----------------------------------------------------------------------------------------------


def test_sounds_of_the_user(tmp_path: Path) -> None:
    """Channels are added up, which can double the level; we take the mean, and code at full level whatever comes.

    Samples are divided by 32768, as in the later version: full scale is what the file says it is.
    """
    entry = entries()["user_audio_loading"]
    expected = entry["expected"]
    channels = signal(entry["input"]["channels"])
    soundfile.write(tmp_path / "user.wav", channels.T.astype(np.int16), 16_000, subtype="PCM_16")
    x = read(tmp_path / "user.wav").samples
    added = x.sum(axis=0)
    np.testing.assert_allclose(added, expected["later_fork_mono"], atol=1e-6)
    np.testing.assert_allclose(added * 32_768 / 32_767, expected["paper_era_mono"], atol=1e-6)
    assert np.array_equal(2.0 * x.mean(axis=0), added)
    for length, name in ((16, "padded_length_16"), (7, "trimmed_length_7")):
        note = Note("user", 60, 100, "organ", "user", tmp_path / "user.wav")
        ours, published = read_note(note, seconds=length / 16_000), np.array(expected[name])
        assert ours.size == published.size
        peak = np.abs(published).max()
        np.testing.assert_allclose(ours / np.abs(ours).max(), published / peak, atol=1e-6)


# --- losses on waveforms ----------------------------------------------------------------------------------------------


def magnitudes(x: np.ndarray, n_fft: int, window: int, hop: int) -> np.ndarray:
    """Of frames without padding (frames, bins); the window stands in the middle of the transform."""
    weights = np.zeros(n_fft)
    first = (n_fft - window) // 2
    weights[first : first + window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    frames = np.lib.stride_tricks.sliding_window_view(x, n_fft)[::hop]
    return np.asarray(np.abs(np.fft.rfft(frames * weights)))


def test_losses_on_waveforms() -> None:
    """The two losses that the published training can use instead of the squared error of images.

    We train on images: log power, and the angle weighted by the power of its cell (`Vqvae2.loss`). It needs no inverse
    transform in every step, and hears the angle only where there is something to hear.
    """
    entry = entries()["multiscale_waveform_losses"]
    a, b = signal(entry["input"]["a"]), signal(entry["input"]["b"])
    scales = entry["parameters"]["DDSP"]
    pairs = [
        [magnitudes(x, n_fft, n_fft, hop) for x in (a, b)]
        for n_fft, hop in zip(scales["n_fft"], scales["hop"], strict=True)
    ]
    linear = np.mean([np.abs(u - v).mean() for u, v in pairs])
    log = np.mean([np.abs(np.log(u + 1e-6) - np.log(v + 1e-6)).mean() for u, v in pairs])
    assert linear + log == pytest.approx(entry["expected"]["DDSP"], rel=entry["tolerance"]["rel"])
    scales = entry["parameters"]["Jukebox"]
    errors = [
        np.mean((magnitudes(a, *sizes) - magnitudes(b, *sizes)) ** 2)
        for sizes in zip(scales["n_fft"], scales["window"], scales["hop"], strict=True)
    ]
    assert np.mean(errors) == pytest.approx(entry["expected"]["Jukebox"], rel=entry["tolerance"]["rel"])

"""Demucs with random weights in the layout of the published checkpoints."""

import json
from pathlib import Path

import numpy as np
import pytest

from caesura.cli import main
from caesura.data.pairs import manifest_rows
from caesura.data.separation import Demucs, vocals_and_rest
from pair_cases import put, tone

pytest.importorskip("demucs")

RATE = 44_100
SETTINGS = {
    "sources": ["drums", "bass", "other", "vocals"], "channels": 8, "depth": 4, "t_layers": 1, "t_heads": 2,
    "bottom_channels": 8, "dconv_comp": 4, "samplerate": 8000, "segment": 1.0, "audio_channels": 2,
}  # fmt: skip


def checkpoint(folder: Path, kind: str = "demucs.htdemucs.HTDemucs") -> Path:
    import torch
    from demucs.htdemucs import HTDemucs
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    state = {name: value.contiguous().clone() for name, value in HTDemucs(**SETTINGS).state_dict().items()}
    facts = {"klass": kind, "args": "[]", "kwargs": json.dumps(SETTINGS)}
    save_file(state, folder / "0123abcd.safetensors", metadata=facts)
    (folder / "htdemucs.yaml").write_text("models: ['0123abcd']\n")
    return folder


def test_stems_have_the_shape_of_the_recording_and_are_the_same_each_time(tmp_path: Path) -> None:
    demucs = Demucs(folder=checkpoint(tmp_path))
    demucs.check()
    x = 0.1 * np.random.default_rng(0).standard_normal((1, 3 * RATE // 2))
    stems = demucs(x, RATE)
    assert list(stems) == SETTINGS["sources"]
    assert {part.shape for part in stems.values()} == {x.shape}
    again = demucs(np.repeat(x, 2, axis=0), RATE)
    for name, part in stems.items():
        assert part.std() > 0.0
        np.testing.assert_allclose(again[name].mean(axis=0), part[0], atol=1e-12)
    vocals, rest = vocals_and_rest(demucs, x, RATE)
    np.testing.assert_array_equal(vocals, stems["vocals"])
    np.testing.assert_allclose(rest, stems["drums"] + stems["bass"] + stems["other"], atol=1e-15)


def test_it_is_what_demucs_itself_gives(tmp_path: Path) -> None:
    import torch
    from demucs.apply import apply_model
    from demucs.hf import load_safetensors_model

    demucs = Demucs(folder=checkpoint(tmp_path))
    x = 0.1 * np.random.default_rng(1).standard_normal((2, 16_000))
    x -= x.mean()  # which belongs to no stem, and which Demucs gives to each
    own = demucs(x, 8000)
    network = load_safetensors_model(tmp_path / "0123abcd.safetensors").eval()
    scale = x.mean(axis=0).std() + 1e-8
    with torch.inference_mode():
        parts = apply_model(network, torch.from_numpy(x / scale).float()[None], shifts=0)[0].numpy() * scale
    for k, name in enumerate(SETTINGS["sources"]):
        np.testing.assert_allclose(own[name], parts[k], atol=1e-6)


def test_gtzan_goes_through_it(tmp_path: Path) -> None:
    put(tmp_path / "in" / "genres" / "rock" / "rock.00000.wav", tone(300.0, 0.7, rate=22_050), 22_050, channels=1)
    folder = str(checkpoint(tmp_path / "checkpoints"))
    command = ["prepare", "gtzan", str(tmp_path / "out"), "--source", str(tmp_path / "in"), "--checkpoints", folder]
    assert main([*command, "--columns", "64", "--segments", "1", "--keys", "0,1", "--ratio", "0", "--jobs", "2"]) == 0
    assert [row["key"] for row in manifest_rows(tmp_path / "out")] == [0, 1]


def test_a_mean_is_shared_among_the_stems(tmp_path: Path) -> None:
    demucs = Demucs(folder=checkpoint(tmp_path))
    x = 0.1 * np.random.default_rng(2).standard_normal((1, 8000))
    plain, moved = (np.sum(list(demucs(x + mean, 8000).values()), axis=0) for mean in (0.0, 0.25))
    np.testing.assert_allclose(moved, plain + 0.25, atol=1e-5)


def test_a_checkpoint_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for model, repository in (("htdemucs", "HTDemucs"), ("htdemucs_6s", "HTDemucs-6s"), ("mdx", "Demucs-mdx")):
        with pytest.raises(ValueError, match=rf"{model}\.yaml is not in .*hf download adefossez/{repository}`"):
            Demucs(model, tmp_path).check()
    (tmp_path / "htdemucs.yaml").write_text("models: ['lost']\n")
    with pytest.raises(ValueError, match=r"lost\.safetensors is not in"):
        Demucs(folder=tmp_path).check()
    (tmp_path / "htdemucs.yaml").write_text("weights: 3\n")
    with pytest.raises(ValueError, match="does not list the models"):
        Demucs(folder=tmp_path).check()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, name: None)
    with pytest.raises(ValueError, match=r"is not in .*cache as adefossez/HTDemucs"):
        Demucs().check()


def test_checkpoints_of_other_classes_are_not_followed(tmp_path: Path) -> None:
    demucs = Demucs(folder=checkpoint(tmp_path, "subprocess.Popen"))
    with pytest.raises(ValueError, match=r"is a checkpoint of 'subprocess\.Popen'"):
        demucs(np.zeros((1, 8000)), 8000)

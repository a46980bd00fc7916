"""CDPAM, a distance of sounds that was trained on what listeners could just tell apart.

    d(x, y) = sum_k |w_k (g_k(e(x)) - g_k(e(y)))|_1,      e = the acoustic half of an encoder, of length one

The architecture and the weights are those of the package `cdpam`. Its own loader is passed by: it needs two packages
that are only there to read files, and today's PyTorch refuses its file of weights, a pickle. Here the pickle may hold
tensors and nothing else.

References:
    P. Manocha, Z. Jin, R. Zhang, A. Finkelstein, "CDPAM: contrastive learning for perceptual audio similarity",
        ICASSP 2021.
"""

from __future__ import annotations

__all__ = ["RATE", "distances"]

import pickle
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import torch
except ImportError:
    raise ValueError("CDPAM needs PyTorch: pip install 'caesura[cdpam]'") from None

Array = NDArray[np.float64]

RATE = 22_050  # hertz that it was trained on
FULL_SCALE = 32_768  # it was trained on the steps of 16-bit samples
WEIGHTS = "CDPAM_trained/scratchJNDdefault_best_model.pth"
SHAPE = {"encoder_layers": 16, "encoder_filters": 64, "ndim": [16, 6], "classif_dp": 0.05, "input_size": 512}
ALLOWED = {
    ("collections", "OrderedDict"),
    ("torch", "FloatStorage"),
    ("torch", "LongStorage"),
    ("torch._utils", "_rebuild_tensor_v2"),
}


def distances(reference: Array, estimate: Array) -> Array:
    """The distance of each channel (channels,).

    Args:
        reference: (channels, samples) at `RATE`, full scale 1.
        estimate: (channels, samples).

    Raises:
        ValueError: the package is not installed.
    """
    network = _network()
    pair = (torch.from_numpy(np.round(FULL_SCALE * x)).float()[:, None] for x in (reference, estimate))
    with torch.no_grad():
        heard = [torch.nn.functional.normalize(network.base_encoder(x)[1], dim=1) for x in pair]
        return np.asarray(network.model_dist(*heard).double().numpy())


@cache
def _network() -> Any:
    package = find_spec("cdpam")  # found, not imported: importing it needs packages that nothing here does
    if package is None or package.origin is None:
        raise ValueError("CDPAM is not installed: pip install 'caesura[cdpam]'")
    folder = Path(package.origin).parent
    spec = spec_from_file_location("cdpam_models", folder / "models.py")
    if spec is None or spec.loader is None:
        raise ValueError(f"{folder} holds no models.py: install cdpam 0.0.6")
    models = module_from_spec(spec)
    spec.loader.exec_module(models)
    network = models.FINnet(**SHAPE)
    # The pickle is of a protocol that PyTorch's own list of what is harmless cannot read.
    stored = torch.load(
        folder / WEIGHTS, map_location="cpu", weights_only=False, pickle_module=SimpleNamespace(**_tensors_only())
    )
    network.load_state_dict(stored["state"])
    return network.eval()


class _Tensors(pickle.Unpickler):
    """Reads tensors and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """See `pickle.Unpickler`."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"a file of weights asks for {module}.{name}: it is not read")
        return super().find_class(module, name)


def _tensors_only() -> dict[str, Any]:
    """What PyTorch asks of a pickle module."""

    def load(file: Any, **given: Any) -> Any:
        return _Tensors(file, **given).load()

    return {"Unpickler": _Tensors, "load": load, "__name__": "tensors only"}

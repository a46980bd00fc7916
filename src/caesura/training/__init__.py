"""Training of the networks whose weights caesura ships, on Lightning.

- `recipes`: one file per trained model; `recipes/NAME.py` is what `caesura train NAME` runs
- `examples`: crops of music with gaps, the same ones for the same seed, wherever a run is resumed
- `average`: the moving average of the weights, which is what is kept
- `run`: what a run needs, the checkpoints it leaves, and the weights that come of them
- `learner`: the optimiser, a learning rate that rises and falls, and examples in order
- `restorer`: the loss of `cqtdiff`; `coding`: the losses of `vqvae`, `notono_top` and `notono_bottom`
- `pictures`: pairs of pictures and the loss of `riff_p2p` and `riff_cnet`; `exporting`: the folders that come of them
- `listening`: what TensorBoard plays and shows
"""

from __future__ import annotations

__all__ = ["set_threads"]


def set_threads(threads: int) -> None:
    """Processor threads that each process of a run computes with."""
    import torch

    torch.set_num_threads(threads)

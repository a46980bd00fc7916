"""Codebook learnt by moving averages, started from data and restarted where codes die.

    q(x) = e_k,  k = argmin |x - e_k|;    n_k <- b n_k + (1 - b) count_k,   m_k <- b m_k + (1 - b) sum_k x,
    e_k = m_k / n~_k,   n~_k = (n_k + eps) / (N + K eps) N,   N = sum n_k

Counts and sums are added up over all processes. The first batch gives the first codes, by a few rounds of k-means;
a code that is hardly used moves to a vector that no code serves well.

References:
    A. van den Oord, O. Vinyals, K. Kavukcuoglu, "Neural discrete representation learning", NeurIPS 2017.
    P. Dhariwal et al., "Jukebox: a generative model for music", arXiv 2005.00341, 2020 (restarts).
"""

from __future__ import annotations

__all__ = ["Codebook", "perplexity"]

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

EPS = 1e-5
ROUNDS = 8  # of k-means on the first batch
DEAD = 0.1  # share of a code's fair part of the vectors below which it is moved
MOST = 65536  # vectors whose distances are computed at once; bounds the memory


class Codebook(nn.Module):
    """K vectors; a call quantises, and learns while the module trains.

    Args:
        dim: of the vectors.
        codes: K.
        decay: b, from 0 to below 1.
        restart: whether dead codes are moved.
    """

    embed: Tensor
    cluster_size: Tensor
    embed_avg: Tensor

    def __init__(self, dim: int, codes: int, decay: float = 0.98, *, restart: bool = True) -> None:
        super().__init__()
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay={decay} must lie in [0, 1)")
        self.decay, self.restart = decay, restart
        start = torch.randn(dim, codes)
        self.register_buffer("embed", start)
        self.register_buffer("cluster_size", torch.zeros(codes))  # zero everywhere: nothing was seen yet
        self.register_buffer("embed_avg", start.clone())

    @property
    def codes(self) -> int:
        """K."""
        return self.embed.shape[1]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantise vectors (..., dim).

        Returns:
            the codes' vectors (..., dim), through which gradients pass as if they were x; the codes (...); and the mean
            squared distance, whose gradient draws x to its code.
        """
        with torch.autocast(x.device.type, enabled=False):  # half precision would confuse neighbouring codes
            return self._quantised(x.float() if x.dtype in (torch.bfloat16, torch.float16) else x)

    def _quantised(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat = x.detach().reshape(-1, x.shape[-1])
        if self.training and not bool(self.cluster_size.any()):
            self.begin(flat)
        codes = self.nearest(flat)
        quantised = self.vectors(codes).reshape(x.shape)
        if self.training:
            self.learn(flat, codes)
        distance = functional.mse_loss(x, quantised)
        return x + (quantised - x).detach(), codes.reshape(x.shape[:-1]), distance

    def vectors(self, codes: Tensor) -> Tensor:
        """(...) -> (..., dim)."""
        return functional.embedding(codes, self.embed.T)

    def nearest(self, flat: Tensor) -> Tensor:
        """Codes of vectors (n, dim), (n,)."""
        half = 0.5 * self.embed.square().sum(dim=0)
        return torch.cat([(half - part @ self.embed).argmin(dim=1) for part in torch.split(flat, MOST)])

    @torch.no_grad()
    def begin(self, flat: Tensor) -> None:
        """Start from vectors (n, dim), each code with its fair part of them."""
        first = flat[torch.linspace(0, len(flat) - 1, self.codes, device=flat.device).round().long()]
        spread = first.std(dim=0, keepdim=True).nan_to_num().clamp(min=EPS)
        self.embed.copy_((first + 0.01 * spread * self.embed.T).T)  # equal vectors must not make equal codes
        self._agree()
        for _ in range(ROUNDS):
            counts, sums = self._sums(flat, self.nearest(flat))
            self.embed.copy_(torch.where(counts > 0, sums / counts.clamp(min=1.0), self.embed))
        self.cluster_size.fill_(float(counts.sum()) / self.codes)
        self.embed_avg.copy_(self.embed * self.cluster_size)

    @torch.no_grad()
    def learn(self, flat: Tensor, codes: Tensor) -> None:
        """Move towards vectors (n, dim) that were given these codes (n,)."""
        counts, sums = self._sums(flat, codes)
        self.cluster_size.mul_(self.decay).add_(counts, alpha=1.0 - self.decay)
        self.embed_avg.mul_(self.decay).add_(sums, alpha=1.0 - self.decay)
        total = self.cluster_size.sum()
        smoothed = (self.cluster_size + EPS) / (total + self.codes * EPS) * total
        self.embed.copy_(self.embed_avg / smoothed)
        if self.restart:
            self._move_dead(flat, codes)

    def _move_dead(self, flat: Tensor, codes: Tensor) -> None:
        fair = float(self.cluster_size.sum()) / self.codes
        dead = self.cluster_size < DEAD * fair
        if not bool(dead.any()):
            return
        error = (flat - self.vectors(codes)).square().sum(dim=1)
        worse = error.argsort(descending=True)[: max(len(flat) // 2, 1)]  # the worse half, evenly, not outliers alone
        picks = torch.linspace(0, len(worse) - 1, int(dead.sum()), device=flat.device).round().long()
        self.embed[:, dead] = flat[worse[picks]].T
        self._agree()
        self.cluster_size[dead] = fair
        self.embed_avg[:, dead] = self.embed[:, dead] * fair

    def _sums(self, flat: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """How many vectors have each code (codes,), and their sums (dim, codes), over all processes."""
        counts = torch.bincount(codes, minlength=self.codes).to(self.embed)
        sums = self.embed.new_zeros(self.embed.shape).index_add_(1, codes, flat.T.to(self.embed))
        if _together():
            distributed.all_reduce(counts)
            distributed.all_reduce(sums)
        return counts, sums

    def _agree(self) -> None:
        """All processes take what the first one chose."""
        if _together():
            distributed.broadcast(self.embed, 0)


def perplexity(codes: Tensor, count: int) -> Tensor:
    """Number of codes that would be in use if they were used evenly; of `count`."""
    share = torch.bincount(codes.flatten(), minlength=count).double() / codes.numel()
    return (-(share * share.clamp(min=1e-300).log()).sum()).exp()


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()

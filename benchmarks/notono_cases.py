"""What `notono.py` asks: likelihoods of hidden cells, notes from scratch, notes with a second repainted."""

from __future__ import annotations

__all__ = ["Case", "attacks", "cases", "learnt_counts", "likelihoods", "repainted"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.data.notes import FAMILIES, LOWEST, VELOCITIES, Note, read_note
from caesura.evaluation.notes import listen
from caesura.methods import build
from caesura.methods._notono import Networks, repaint
from caesura.networks.sampling import Draw
from caesura.problem import Problem, Region
from caesura.restoration import restore
from caesura.seam import seam_score

Array = NDArray[np.float64]

RATE = 16000
HIDDEN = {"top": (1, 2), "bottom": (1, 3, 5)}  # columns that are hidden in turn: there is something on either side
SECOND = 1  # coarse column that is repainted
BATCH = 64
REPAINTED = "organ, attack repainted as mallet"
FADE = 320  # samples of the crossfade at the edges of what is pasted
DRAW = Draw(1.0, top_p=0.8, guidance=2.0)  # as `notono` draws unless told otherwise
PLAIN = Draw(1.0, top_p=0.8)


@dataclass(frozen=True, eq=False)
class Case:
    """Answers to the same question for every note."""

    sounds: Array
    """(notes, samples)."""
    seams: list[float] = field(default_factory=list)
    """How conspicuous the edges are, in robust standard deviations."""


def learnt_counts(networks: Networks, notes: Sequence[Note]) -> tuple[Tensor, Tensor]:
    """How often each row of either map has each code in notes that were learnt, plus one (rows, codes)."""
    maps = networks.codec.encode(np.stack([read_note(note) for note in notes]))
    return tuple(  # type: ignore[return-value]
        1.0 + torch.nn.functional.one_hot(codes, networks.top.shape.codes).sum(dim=(0, 2)).double() for codes in maps
    )


@torch.no_grad()
def likelihoods(
    networks: Networks, maps: tuple[Tensor, Tensor], labels: NDArray[np.int16], counts: tuple[Tensor, Tensor]
) -> dict[str, dict[str, float]]:
    """Nats per hidden cell, the same cells with the same left context each time, and intervals of the difference."""
    told = torch.from_numpy(labels.astype(np.int64))
    rows: dict[str, dict[str, float]] = {}
    for name, network, codes, count in (
        ("coarse map", networks.top, maps[0], counts[0]), ("fine map", networks.bottom, maps[1], counts[1]),
    ):  # fmt: skip
        found: dict[str, list[Tensor]] = {}
        for column in HIDDEN[network.shape.map]:
            hidden = torch.zeros(codes.shape[1:], dtype=torch.bool)
            hidden[:, column] = True
            beyond = hidden.clone()
            beyond[:, column:] = True
            asked = {
                "right context kept": (~hidden, told),
                "right context hidden": (~beyond, told),
                "right context kept, labels not told": (~hidden, torch.full_like(told, -1)),
            }
            for key, (known, label) in asked.items():
                nats = [
                    _nats(network, codes[k : k + BATCH], known, label[k : k + BATCH], maps[0][k : k + BATCH], hidden)
                    for k in range(0, len(codes), BATCH)
                ]
                found.setdefault(key, []).append(torch.cat(nats))
            rarity = -(count / count.sum(dim=1, keepdim=True)).log()
            per_cell = rarity.expand(len(codes), -1, -1).gather(2, codes)[:, hidden]
            found.setdefault("how often a row has a code", []).append(per_cell.mean(dim=1))
        means = {key: torch.stack(parts).mean(dim=0) for key, parts in found.items()}
        gain = means["right context hidden"] - means["right context kept"]
        rows[name] = {key: float(value.mean()) for key, value in means.items()}
        rows[name]["gain"] = float(gain.mean())
        rows[name]["half interval"] = 1.96 * float(gain.std()) / len(gain) ** 0.5
        rows[name]["better, % of notes"] = 100.0 * float((gain > 0).double().mean())
    return rows


def _nats(network: Any, codes: Tensor, known: Tensor, labels: Tensor, coarse: Tensor, hidden: Tensor) -> Tensor:
    """Mean over the hidden cells (notes,)."""
    logits = network(codes, known.expand_as(codes), labels, coarse if network.shape.map == "bottom" else None)
    nats = -logits.log_softmax(dim=-1).gather(-1, codes[..., None])[..., 0]
    return nats[:, hidden].mean(dim=1).double()


def cases(
    networks: Networks, sounds: Array, maps: tuple[Tensor, Tensor], labels: NDArray[np.int16],
    seeds: Sequence[int], part: str,
) -> dict[str, list[Case]]:  # fmt: skip
    """Notes drawn anew, in whole or their second second, and what they are held against.

    Args:
        networks: that draw.
        sounds: the notes (notes, samples).
        maps: the notes as codes.
        labels: what is told of them.
        seeds: one answer each.
        part: "whole" or "second".
    """
    unknown = [np.zeros(codes.shape[1:], dtype=bool) for codes in maps]
    for step, flags in zip((1, 2), unknown, strict=True):
        flags[:, slice(None) if part == "whole" else slice(SECOND * step, (SECOND + 1) * step)] = True
    told = torch.from_numpy(labels.astype(np.int64))
    answers: dict[str, list[Case]] = {}
    for seed in seeds:
        for name, label, draw in (
            ("labels told", told, DRAW),
            ("labels told, without guidance", told, PLAIN),
            ("labels not told", torch.full_like(told, -1), PLAIN),
        ):
            drawn = _drawn(networks, maps, (unknown[0], unknown[1]), label, draw, np.random.default_rng(seed))
            answers.setdefault(name, []).append(_case(networks, sounds, drawn, part))
    if part == "second":
        copied = tuple(_copied(codes, step) for codes, step in zip(maps, (1, 2), strict=True))
        answers["cells of the next second copied"] = [_case(networks, sounds, (copied[0], copied[1]), part)]
        answers["the right cells"] = [_case(networks, sounds, maps, part)]
    return answers


def _drawn(
    networks: Networks, maps: tuple[Tensor, Tensor], unknown: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    labels: Tensor, draw: Draw, rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    parts = []
    for k in range(0, len(labels), BATCH):
        own = (maps[0][k : k + BATCH], maps[1][k : k + BATCH])
        uniform = [torch.from_numpy(rng.random(tuple(codes.shape))) for codes in own]
        chosen = (uniform[0], uniform[1])
        parts.append(repaint(networks, own, unknown, labels[k : k + BATCH], draw, chosen, lambda fraction: None))
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def _case(networks: Networks, sounds: Array, maps: tuple[Tensor, Tensor], part: str) -> Case:
    decoded = np.concatenate(
        [
            networks.codec.decode(maps[0][k : k + BATCH], maps[1][k : k + BATCH], sounds.shape[1])
            for k in range(0, len(sounds), BATCH)
        ]
    )
    if part == "whole":
        return Case(decoded)
    region = second(networks)
    pasted, seams = [], []
    for x, y in zip(sounds, decoded, strict=True):
        problem = Problem(x[None], (region,), RATE)
        pasted.append(problem.paste(y[None], fade=FADE)[0])
        score = seam_score(pasted[-1][None], region, problem.mask)
        seams += [] if score is None else [score]
    return Case(np.stack(pasted), seams)


def second(networks: Networks) -> Region:
    """The samples that coarse column `SECOND` stands for."""
    tiles = networks.codec.cells(4 * RATE, top=True)
    return Region(int(tiles.start[SECOND]), int(tiles.stop[SECOND]))


def _copied(codes: Tensor, step: int) -> Tensor:
    copied = codes.clone()
    copied[:, :, SECOND * step : (SECOND + 1) * step] = codes[:, :, (SECOND + 1) * step : (SECOND + 2) * step]
    return copied


def repainted(weights: str, sounds: Array, labels: NDArray[np.int16], count: int = 44) -> dict[str, list[Case]]:
    """The same second by the method as it is used, with its joins; only every so many notes, as it takes longer."""
    from caesura.methods._notono import open_networks

    region, pasted, seams = second(open_networks(weights)), sounds.copy(), []
    for k in np.linspace(0, len(sounds) - 1, min(count, len(sounds))).round().astype(int):
        pitch, family, velocity = (int(label) for label in labels[k])
        settings = {"pitch": pitch + LOWEST, "family": FAMILIES[family], "velocity": VELOCITIES[velocity]}
        done = restore(Problem(sounds[k][None], (region,), RATE), build("notono", weights=weights, **settings), seed=0)
        pasted[k] = done.samples[0]
        seams += [fill.seam for fill in done.fills if fill.seam is not None]
    return {f"`notono` with its joins (seams of {count} notes)": [Case(pasted, seams)]}


def attacks(
    weights: str, organs: Sequence[Note], mallets: dict[str, Sequence[Note]], classifier: str
) -> dict[str, dict[str, float]]:
    """Organ notes whose first second is repainted as mallet, beside the organ notes and real mallet notes."""
    sets: dict[str, list[Array]] = {"organ": [], REPAINTED: [], f"{REPAINTED}, guidance 4": []}
    for note in organs:
        x = read_note(note)
        sets["organ"].append(x)
        for name, settings in ((REPAINTED, {}), (f"{REPAINTED}, guidance 4", {"guidance": 4.0})):
            method = build("notono", weights=weights, family="mallet", pitch=note.pitch, **settings)
            problem = Problem(x[None], (Region(0, RATE),), RATE)
            sets[name].append(restore(problem, method, seed=0).samples[0])
    sets |= {name: [read_note(note) for note in notes] for name, notes in mallets.items()}
    rows = {}
    for name, found in sets.items():
        attack = np.stack([x[:RATE] for x in found])
        family = listen(attack, classifier).family
        rows[name] = {
            "notes": float(len(found)),
            "fall from 0.05 to 0.45 s, dB": float(np.median([_fall(x, 0.05, 0.45) for x in attack])),
            "fall from 0.05 to 0.85 s, dB": float(np.median([_fall(x, 0.05, 0.85) for x in attack])),
            "spectral centroid of the first 0.1 s, Hz": float(np.median([_centroid(x[: RATE // 10]) for x in attack])),
            "heard as mallet, %": 100.0 * float(np.mean(family.argmax(axis=1) == FAMILIES.index("mallet"))),
            "heard as organ, %": 100.0 * float(np.mean(family.argmax(axis=1) == FAMILIES.index("organ"))),
            "probability of mallet": float(family[:, FAMILIES.index("mallet")].mean()),
            "probability of organ": float(family[:, FAMILIES.index("organ")].mean()),
        }
    return rows


def _fall(x: Array, early: float, late: float) -> float:
    """Level around one time, in seconds, over that around a later one, dB."""
    levels = [np.sqrt(np.mean(x[round((t - 0.05) * RATE) :][: RATE // 10] ** 2)) for t in (early, late)]
    return float(20.0 * np.log10(max(levels[0], 1e-6) / max(levels[1], 1e-6)))


def _centroid(x: Array) -> float:
    power = np.abs(np.fft.rfft(x * np.hanning(x.size))) ** 2
    return float(np.sum(power * np.fft.rfftfreq(x.size, 1.0 / RATE)) / max(float(power.sum()), 1e-20))

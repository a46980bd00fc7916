"""Transformers of codes: the published order, attention and sampling, what a cell may see, and what is remembered."""

import time
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from caesura.networks.codemap_transformer import PRESETS, CodemapTransformer, Shape, order, restored  # noqa: E402
from caesura.networks.relative_attention import RelativeAttention, relative_bias  # noqa: E402
from caesura.networks.sampling import Draw, filtered  # noqa: E402
from notono_cases import entries, signal  # noqa: E402

MAPS = ("top", "bottom")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def tensor(values: Any) -> Any:
    return torch.tensor(np.asarray(values), dtype=torch.float64)


# --- as published -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in entries() if name.startswith("linearisation")])
def test_published_order(name: str) -> None:
    entry = entries()[name]
    p, expected = entry["parameters"], entry["expected"]
    top = order(p["top_frequencies"], p["top_columns"])
    bottom = order(p["bottom_frequencies"], p["bottom_columns"], p["patch_columns"])
    assert top.tolist() == expected["top_row_major_cell_at_each_position"]
    assert bottom.tolist() == expected["bottom_row_major_cell_at_each_position"]


@pytest.mark.parametrize("name", [name for name in entries() if name.startswith("relative_bias")])
def test_published_bias(name: str) -> None:
    entry = entries()[name]
    p = entry["parameters"]
    tables = [tensor(signal(entry["input"][key])).reshape(p["heads"], p["keys"], p["head_dim"]) for key in ("e1", "e2")]
    q = tensor(signal(entry["input"]["q"])).reshape(p["batch"], p["heads"], p["queries"], p["head_dim"])
    places = torch.arange(p["queries"]) * p["keys"] // p["queries"]
    found = relative_bias(q, tables[0], tables[1], places, p["keys"])
    expected = tensor(entry["expected"]["bias"]).reshape(found.shape)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    # without the second table, what lies before a place is the same
    causal = relative_bias(q, tables[0], None, places, p["keys"])
    before = places[:, None] >= torch.arange(p["keys"])
    assert torch.equal(causal[..., before], found[..., before])


def test_published_attention() -> None:
    entry = entries()["relative_multihead_attention"]
    given = {key: tensor(signal(term)) for key, term in entry["input"].items()}
    attention = RelativeAttention(8, 2, 6, ahead=True).double()
    with torch.no_grad():
        attention.project.weight.copy_(given["in_proj_weight"])
        attention.project.bias.copy_(given["in_proj_bias"])
        attention.out.weight.copy_(given["out_proj_weight"])
        attention.out.bias.copy_(given["out_proj_bias"])
        attention.before.copy_(given["e1"].reshape(2, 6, 4))
        attention.after.copy_(given["e2"].reshape(2, 6, 4))
        x, i = given["x"].transpose(0, 1), torch.arange(6)
        expected = entry["expected"]
        causal = attention(x, i[:, None] >= i).transpose(0, 1)
        torch.testing.assert_close(causal, tensor(expected["causal_output"]), rtol=0, atol=1e-8)
        anticausal = attention(x, i[:, None] <= i)[0]
        torch.testing.assert_close(anticausal, tensor(expected["anticausal_output_batch0"]), rtol=0, atol=1e-8)
        torch.testing.assert_close(attention(x)[0], tensor(expected["unmasked_output_batch0"]), rtol=0, atol=1e-8)


def test_published_filter() -> None:
    entry = entries()["top_k_top_p"]
    logits = tensor(signal(entry["input"]["logits"]))
    for case in entry["expected"]["cases"]:
        kept = filtered(logits, case["top_k"], case["top_p"] or 1.0)[0].isfinite()
        assert [row.nonzero()[:, 0].tolist() for row in kept] == case["kept"], case


def test_published_smoothing(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entries()["label_smoothing"]
    logits, targets = tensor(signal(entry["input"]["logits"])), signal(entry["input"]["targets"])
    model = network("top", codes=6, rows=2, columns=2)
    monkeypatch.setattr(CodemapTransformer, "forward", lambda self, codes, *_: logits.reshape(1, 2, 2, 6))
    codes = torch.tensor(targets).reshape(1, 2, 2)
    for smoothing, expected in entry["expected"]["smoothing_loss"]:
        found = model.loss(codes, torch.zeros(1, 2, 2, dtype=torch.bool), codes, None, smoothing)
        assert float(found) == pytest.approx(expected, rel=1e-6)


# --- what a cell may see ----------------------------------------------------------------------------------------------


def network(name: Any, **settings: Any) -> CodemapTransformer:
    shape = {"codes": 7, "width": 16, "heads": 2, "encoder": 2, "decoder": 2, "rows": 3, "columns": 2, "dropout": 0.0}
    return CodemapTransformer(Shape(name, **{**shape, **settings})).double().eval().requires_grad_(False)


def case(model: CodemapTransformer, batch: int = 2, seed: int = 0) -> dict[str, Any]:
    """Maps with a rectangle to fill."""
    generator = torch.Generator().manual_seed(seed)
    scale = 1 if model.shape.map == "top" else 2
    rows, columns = scale * model.shape.rows, scale * model.shape.columns
    draw = lambda *size: torch.randint(model.shape.codes, size, generator=generator)  # noqa: E731
    known = torch.ones(rows, columns, dtype=torch.bool)
    known[rows // 3 : rows // 3 + scale, : max(columns - 1, 1)] = False
    coarse = draw(batch, model.shape.rows, model.shape.columns) if scale == 2 else None
    labels = torch.tensor([[36, 6, 2], [-1, 5, -1]])[:batch]
    return {"codes": draw(batch, rows, columns), "known": known, "labels": labels, "coarse": coarse}


def logits(model: CodemapTransformer, case: dict[str, Any]) -> Any:
    return model(case["codes"], case["known"].expand_as(case["codes"]), case["labels"], case["coarse"])


@pytest.mark.parametrize("name", MAPS)
def test_a_cell_sees_kept_cells_on_both_sides_and_filled_ones_before_it(name: str) -> None:
    model = network(name)
    given = case(model, 1)
    known = model.sequence(given["known"][None])[0]
    first = model.sequence(logits(model, given).argmax(dim=-1))  # a sequence of some kind, for its length
    before = logits(model, given).flatten(1, 2)[:, model.order]
    for place in range(first.shape[1]):
        changed = model.sequence(given["codes"]).clone()
        changed[:, place] = (changed[:, place] + 1) % model.shape.codes
        other = {**given, "codes": changed[:, model.back].reshape(given["codes"].shape)}
        differs = (logits(model, other).flatten(1, 2)[:, model.order] - before).abs().amax(dim=-1)[0] > 1e-12
        if known[place]:
            assert differs[~known].all(), place  # a kept cell reaches every cell that is filled
        else:
            assert not differs[: place + 1].any(), place  # a cell does not see itself, nor does any before it
            assert differs[place + 1 :].all(), place


@pytest.mark.parametrize("name", MAPS)
def test_what_is_not_known_is_not_looked_at(name: str) -> None:
    model = network(name)
    given = case(model)
    chance = torch.rand(given["codes"].shape, dtype=torch.float64)
    hidden = {**given, "codes": torch.where(given["known"], given["codes"], 5)}
    filled = [model.fill(**g, draw=Draw(), uniform=chance) for g in (given, hidden)]
    assert torch.equal(filled[0], filled[1])
    assert torch.equal(filled[0][:, given["known"]], given["codes"][:, given["known"]])


def slowly(model: CodemapTransformer, given: dict[str, Any], draw: Draw, chance: Any) -> Any:
    """Filling without any memory: the whole network for every cell."""
    codes = torch.where(given["known"], given["codes"], 0)
    for cell in model.order.tolist():
        row, column = divmod(cell, codes.shape[2])
        if not given["known"][row, column]:
            found = logits(model, {**given, "codes": codes})[:, row, column]
            codes[:, row, column] = draw(found, chance[:, row, column])
    return codes


@pytest.mark.parametrize("draw", [Draw(), Draw(0.7, top_p=0.8), Draw(0.0), Draw(1.3, top_k=3)], ids=str)
@pytest.mark.parametrize("name", MAPS)
def test_remembering_changes_nothing(name: str, draw: Draw) -> None:
    model = network(name)
    given = case(model)
    for known in (given["known"], torch.zeros_like(given["known"])):
        chance = torch.rand(given["codes"].shape, dtype=torch.float64)
        some = {**given, "known": known}
        assert torch.equal(model.fill(**some, draw=draw, uniform=chance), slowly(model, some, draw, chance))


def test_remembering_saves_time() -> None:
    model = network("bottom", rows=8, columns=4, width=64, heads=4).float()
    given = case(model, 1)
    given["known"] = torch.zeros_like(given["known"])
    chance = torch.rand(given["codes"].shape)
    begin = time.perf_counter()
    model.fill(**given, draw=Draw(), uniform=chance)
    between = time.perf_counter()
    slowly(model, given, Draw(), chance)
    assert time.perf_counter() - between > 1.5 * (between - begin)


def test_candidates_of_a_batch_do_not_disturb_each_other() -> None:
    model = network("bottom")
    given = case(model)
    chance = torch.rand(given["codes"].shape, dtype=torch.float64)
    together = model.fill(**given, draw=Draw(), uniform=chance)
    alone = {key: given[key][1:] for key in ("codes", "labels", "coarse")}
    one = model.fill(**alone, known=given["known"], draw=Draw(), uniform=chance[1:])
    assert torch.equal(together[1:], one)


@pytest.mark.parametrize("name", MAPS)
def test_guidance_moves_past_the_labels(name: str) -> None:
    """Filling with guidance g draws from told + g (told - untold), each map by itself."""
    model, guidance = network(name), 1.5
    given = case(model)
    chance = torch.rand(given["codes"].shape, dtype=torch.float64)
    found = model.fill(**given, draw=Draw(guidance=guidance), uniform=chance)
    codes = torch.where(given["known"], given["codes"], 0)
    untold = {**given, "labels": torch.full_like(given["labels"], -1)}
    for cell in model.order.tolist():
        row, column = divmod(cell, codes.shape[2])
        if not given["known"][row, column]:
            told, other = (logits(model, {**g, "codes": codes})[:, row, column] for g in (given, untold))
            codes[:, row, column] = Draw()(told + guidance * (told - other), chance[:, row, column])
    assert torch.equal(found, codes)
    assert torch.equal(
        model.fill(**untold, draw=Draw(guidance=guidance), uniform=chance),
        model.fill(**untold, draw=Draw(), uniform=chance),
    )


@pytest.mark.parametrize("column", [0, 1, 2])
def test_labels_are_heard(column: int) -> None:
    model = network("top")
    given = case(model)
    other = given["labels"].clone()
    other[0, column] = 1
    difference = (logits(model, {**given, "labels": other}) - logits(model, given)).abs().amax(dim=(1, 2, 3))
    assert difference[0] > 1e-6
    assert difference[1] == 0.0


def test_the_loss_counts_what_is_filled_only() -> None:
    model = network("top")
    given = case(model)
    known = given["known"].expand_as(given["codes"])
    found = logits(model, given).log_softmax(dim=-1).gather(-1, given["codes"][..., None])[..., 0]
    expected = -found[~known].mean()
    torch.testing.assert_close(model.loss(given["codes"], known, given["labels"]), expected)


# --- drawing ----------------------------------------------------------------------------------------------------------


def test_codes_are_drawn_as_often_as_they_are_likely() -> None:
    scores = torch.tensor([0.0, 1.0, 2.0, -1.0])
    count = 4000
    chance = (torch.arange(count) + 0.5) / count
    drawn = Draw(2.0)(scores.expand(count, 4), chance)
    share = torch.bincount(drawn, minlength=4) / count
    torch.testing.assert_close(share, (scores / 2.0).softmax(dim=0), rtol=0, atol=1.0 / count)
    assert set(Draw(1.0, top_p=0.6)(scores.expand(count, 4), chance).tolist()) == {2}
    assert set(Draw(1.0, top_k=2)(scores.expand(count, 4), chance).tolist()) == {1, 2}
    assert set(Draw(0.0)(scores.expand(count, 4), chance).tolist()) == {2}


def test_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match=r"temperature=-1\.0 must be 0 or more"):
        Draw(-1.0)
    with pytest.raises(ValueError, match=r"top_p=0\.0 must lie in \(0, 1\]"):
        Draw(top_p=0.0)
    with pytest.raises(ValueError, match=r"guidance=-0\.5 must be 0 or more"):
        Draw(guidance=-0.5)
    with pytest.raises(ValueError, match="top_k=-1 must be 0 or more"):
        Draw(top_k=-1)
    model = network("bottom")
    given = case(model)
    with pytest.raises(ValueError, match=r"the bottom map has 6 x 4 cells, got \(3, 2\)"):
        logits(model, {**given, "codes": given["coarse"], "known": given["coarse"] > 0})
    with pytest.raises(ValueError, match="pass coarse"):
        logits(model, {**given, "coarse": None})
    with pytest.raises(ValueError, match="width=10 must be a multiple of heads=4"):
        RelativeAttention(10, 4, 6, ahead=True)


# --- learning ---------------------------------------------------------------------------------------------------------


def test_context_on_the_right_is_learnt() -> None:
    """Each cell repeats the one in the column after it: only what lies on the right tells what it is."""
    model = network("bottom", codes=4, rows=2, columns=2).float().train().requires_grad_(True)
    known = torch.ones(4, 4, dtype=torch.bool)
    known[:, :2] = False
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        codes = torch.randint(4, (16, 4, 2), generator=generator).repeat(1, 1, 2)
        coarse, labels = torch.zeros(16, 2, 2, dtype=torch.long), torch.full((16, 3), -1)
        loss = model.loss(codes, known.expand_as(codes), labels, coarse)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5 * np.log(4.0)  # guessing costs ln 4; the left side says nothing


def test_weights_come_back() -> None:
    assert set(PRESETS) == {f"{name}-{size}" for name in MAPS for size in ("tiny", "cpu", "gpu")}
    model = CodemapTransformer(PRESETS["bottom-tiny"]).eval()
    again = restored("bottom-tiny", model.state_dict())
    given = case(model)
    given["codes"], given["coarse"] = given["codes"] % 32, given["coarse"] % 32
    assert torch.equal(logits(model, given), logits(again, given))

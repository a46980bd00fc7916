"""The manifest of pairs: what is read from it, and what is refused."""

import json
from pathlib import Path

import pytest

from caesura.data.pairs import FIELDS, MANIFEST, Pair, pairs, split_of

ROW = {
    "song": "a", "split": "train", "frame": 2, "key": -1, "example": 0, "source": "s.png", "target": "t.png",
    "text": "add a flute", "adds": ["flute"], "over": ["drums", "bass"],
}  # fmt: skip


def corpus(folder: Path, *rows: object) -> Path:
    for name in ("s.png", "t.png"):
        (folder / name).write_bytes(b"picture")
    (folder / MANIFEST).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


def test_a_split_is_read_in_order(tmp_path: Path) -> None:
    folder = corpus(tmp_path, ROW, ROW | {"song": "b", "split": "test"}, ROW | {"frame": 3})
    first, second = pairs(folder)
    assert first == Pair(
        tmp_path / "s.png", tmp_path / "t.png", "add a flute", "a", 2, -1, ("flute",), ("drums", "bass")
    )
    assert second.frame == 3
    assert [pair.song for pair in pairs(folder, "test")] == ["b"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROW, ROW | {"split": "test"}], "song 'a' of .* is in both splits"),
        ([ROW | {"target": "lost.png"}], r"names '.*lost\.png', which is missing"),
        ([ROW | {"split": "dev"}], "line 1 .* split 'dev' is not one of train, test"),
        ([ROW, {**ROW, "key": None}], r"line 2 .* has no key \(int\)"),
        ([[1]], r"line 1 .* has no song \(str\)"),
        ([ROW | {"split": "test"}], "has no pair of split train: hold out"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, rows: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pairs(corpus(tmp_path, *rows))


def test_every_field_is_demanded(tmp_path: Path) -> None:
    for name in FIELDS:
        with pytest.raises(ValueError, match=f"has no {name}"):
            pairs(corpus(tmp_path, {key: value for key, value in ROW.items() if key != name}))


def test_a_folder_without_a_manifest_or_with_half_a_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="caesura prepare gtzan"):
        pairs(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps(ROW)[:-9])
    with pytest.raises(ValueError, match=r"line 1 .* is no JSON"):
        pairs(tmp_path)
    with pytest.raises(ValueError, match="split 'dev' is not one of train, test"):
        pairs(tmp_path, "dev")  # type: ignore[arg-type]


def test_the_split_is_a_function_of_the_song_alone() -> None:
    songs = [f"song {n}" for n in range(4000)]
    few, more = ({s for s in songs if split_of(s, share) == "test"} for share in (0.05, 0.1))
    assert few < more  # a larger share takes more songs and moves none back
    # the standard error of a share of 0.1 in 4000 draws is 0.005
    assert len(more) / len(songs) == pytest.approx(0.1, abs=0.02)
    assert more != {s for s in songs if split_of(s, 0.1, seed=1) == "test"}
    assert {split_of(s, 0.0) for s in songs} == {"train"}
    assert {split_of(s, 1.0) for s in songs} == {"test"}

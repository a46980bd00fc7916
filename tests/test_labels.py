"""Label files: whatever is written is read back, and whatever cannot be read is said in one line."""

import json
import math
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.labels import KINDS, Label, formatted, read, write
from caesura.region import Region

RATE = 48_000
RATES = st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 176_400, 192_000])
HOUR = 3600 * 192_000
FREE_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORDS = st.sampled_from([*KINDS, "0.5", "1", "ch1", ":", "cough", "Strophe 2", "gap:", "-", "ch1:", "\\"])
ONE_LINE = (FREE_TEXT | st.lists(WORDS, max_size=4).map(" ".join)).map(lambda text: " ".join(text.split()))


@st.composite
def labels(draw: st.DrawFn, text: st.SearchStrategy[str] = FREE_TEXT, decimals: int | None = None) -> Label:
    start = draw(st.integers(0, HOUR))
    stop = draw(st.integers(start + 1, start + HOUR))
    band = (0.0, math.inf)
    if draw(st.booleans()):
        low = draw(st.floats(0.0, 3_000.0))
        band = (low, draw(st.floats(low, 4_000.0, exclude_min=True) | st.just(math.inf)))
    channel = draw(st.none() | st.integers(0, 63))
    confidence = draw(st.none() | st.floats(0.0, 1.0))
    if decimals is not None and confidence is not None:
        confidence = round(confidence, decimals)
    return Label(Region(start, stop, *band, channel), draw(st.sampled_from(KINDS)), confidence, draw(text))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".json"])
@settings(max_examples=60)
@given(found=st.lists(labels(), max_size=5), rate=RATES)
def test_tables_and_documents_round_trip_exactly(folder: Path, suffix: str, found: list[Label], rate: int) -> None:
    path = folder / f"labels{suffix}"
    write(path, found, sample_rate=rate, force=True)
    assert read(path, sample_rate=rate) == found


@given(found=st.lists(labels(ONE_LINE, decimals=4), max_size=5), rate=RATES)
def test_audacity_labels_round_trip_up_to_white_space_and_four_decimals(
    folder: Path, found: list[Label], rate: int
) -> None:
    path = folder / "labels.txt"
    write(path, found, sample_rate=rate, force=True)
    assert read(path, sample_rate=rate) == found


@given(found=st.lists(labels(), max_size=3), rate=RATES)
def test_writing_what_was_read_gives_the_same_text(folder: Path, found: list[Label], rate: int) -> None:
    once = formatted(found, ".txt", sample_rate=rate)
    again = read(written(folder / "again.txt", once), sample_rate=rate)
    assert formatted(again, ".txt", sample_rate=rate) == once


@given(lost=st.lists(st.booleans(), min_size=1, max_size=60), packet_ms=st.floats(1.0, 60.0))
def test_a_trace_marks_exactly_the_lost_packets(folder: Path, lost: list[bool], packet_ms: float) -> None:
    path = written(folder / "trace.txt", "\n".join("01"[one] for one in lost))
    packet = packet_ms * RATE / 1000
    total = round(len(lost) * packet)
    missing = set()
    for label in read(path, sample_rate=RATE, samples=total, packet_ms=packet_ms):
        assert label.kind == "loss"
        missing |= set(range(label.region.start, label.region.stop))
    for k, one in enumerate(lost):
        inner = range(round(k * packet), min(round((k + 1) * packet), total))
        assert missing.issuperset(inner) if one else not missing.intersection(inner)


def outcome(path: Path, **more: float) -> tuple[list[Label], str]:
    """The labels, or what is wrong with the file; any other exception fails the test."""
    try:
        return read(path, sample_rate=RATE, **more), ""  # type: ignore[arg-type]
    except ValueError as error:
        return [], str(error)


ROWS = (
    "1.0\t2.0\tgap",
    "start_s,stop_s",
    '{"labels": [{"start_s": 1',
    "0\t1",
    "\\\t100\t200",
    "0 1",
    "1,5\t",
    '"',
    "RIFF",
)
ODD_TEXT = st.lists(st.sampled_from(ROWS) | st.text(max_size=12), max_size=6).map("\n".join)


@given(content=st.binary(max_size=200) | ODD_TEXT.map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_nothing_but_a_one_line_error_comes_of_odd_content(folder: Path, content: bytes) -> None:
    path = written(folder / "odd.txt", content)
    found, message = outcome(path, samples=RATE, packet_ms=20.0)
    assert all(label.region.stop <= RATE for label in found)
    assert message == "" or message.startswith(str(path))
    assert "\n" not in message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
ENTRY = st.dictionaries(
    st.sampled_from(["start", "stop", "start_s", "stop_s", "low_hz", "channel", "kind", "text"]), VALUES
)


@given(entries=st.lists(ENTRY, max_size=3), rate=VALUES, version=VALUES)
def test_odd_documents_give_one_line_errors(folder: Path, entries: list[object], rate: object, version: object) -> None:
    document = {"version": version, "sample_rate": rate, "labels": entries}
    path = written(folder / "odd.json", json.dumps(document))
    assert "\n" not in outcome(path)[1]


def test_a_deeply_nested_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        read(written(tmp_path / "deep.json", "[" * 100_000), sample_rate=RATE)


def test_audacity_labels_as_audacity_writes_them(tmp_path: Path) -> None:
    content = (
        b"\xef\xbb\xbf1.500000\t2.000000\tcough\r\n\\\t800.000000\t3200.000000\r\n\r\n3.0\t3.5\t\r\n\\\t-1\t500\r\n"
    )
    assert read(written(tmp_path / "a.txt", content), sample_rate=1000 * 8) == [
        Label(Region(12_000, 16_000, 800.0, 3200.0), "box", None, "cough"),
        Label(Region(24_000, 28_000, 0.0, 500.0), "box"),
    ]


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("1\t2\tclick 0.93 ch1", Label(Region(8000, 16_000, channel=1), "click", 0.93)),
        ("1\t2\tclick 0.93 ch1: left", Label(Region(8000, 16_000, channel=1), "click", 0.93, "left")),
        ("1\t2\tclick on the left", Label(Region(8000, 16_000), "click", None, "on the left")),
        ("1\t2\tgaps in the tape", Label(Region(8000, 16_000), "gap", None, "gaps in the tape")),
        ("1\t2\t7", Label(Region(8000, 16_000), "gap", None, "7")),
        ("1\t2\tch0", Label(Region(8000, 16_000, channel=0))),
        ("1,5\t2,0\t", Label(Region(12_000, 16_000))),
        ("1\t1\t", Label(Region(8000, 8001))),
        ("1\t1.00001\tclick", Label(Region(8000, 8001), "click")),
        ("1\t2", Label(Region(8000, 16_000))),
    ],
)
def test_what_a_label_line_means(tmp_path: Path, line: str, label: Label) -> None:
    assert read(written(tmp_path / "a.txt", line), sample_rate=8000) == [label]


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (Label(Region(0, 8000)), "0.000000\t1.000000\tgap\n"),
        (Label(Region(0, 8000), text="verse 2"), "0.000000\t1.000000\tverse 2\n"),
        (Label(Region(0, 8000), text="click track"), "0.000000\t1.000000\tgap: click track\n"),
        (Label(Region(0, 8000, channel=1), "click", 0.93), "0.000000\t1.000000\tclick 0.93 ch1\n"),
        (Label(Region(0, 8000, 800.0), "box"), "0.000000\t1.000000\tbox\n\\\t800.000000\t-1\n"),
    ],
)
def test_what_is_written_can_be_read_by_a_person(label: Label, text: str) -> None:
    assert formatted([label], ".txt", sample_rate=8000) == text


@pytest.mark.parametrize(
    "table",
    [
        "start_s,stop_s,kind,channel\n1.0,2.0,click,1\n",
        "start,end,kind,channel\n1.0,2.0,click,1\n",
        "channel;kind;start_ms;end_ms\n1;click;1000,0;2000,0\n",
        "\n\nstart_sample\tstop_sample\tstart_s\tkind\tnote\tchannel\n8000\t16000\t7\tclick\tx\t1\n",
    ],
)
def test_tables_say_their_units_in_the_header(tmp_path: Path, table: str) -> None:
    found = read(written(tmp_path / "a.csv", table), sample_rate=8000)
    assert found == [Label(Region(8000, 16_000, channel=1), "click")]


def test_the_rate_of_a_document_decides_whether_samples_or_seconds_count(tmp_path: Path) -> None:
    write(tmp_path / "a.json", [Label(Region(100, 200))], sample_rate=8000)
    assert read(tmp_path / "a.json", sample_rate=8000) == [Label(Region(100, 200))]
    assert read(tmp_path / "a.json", sample_rate=16_000) == [Label(Region(200, 400))]


def test_a_label_file_may_be_empty_and_labels_may_overlap(tmp_path: Path) -> None:
    assert read(written(tmp_path / "none.txt", ""), sample_rate=RATE) == []
    assert len(read(written(tmp_path / "two.txt", "1\t2\n1.5\t3\n"), sample_rate=RATE)) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "1.0\t2.0\tok\nabc\t2.0\tx\n", r"line 2: 'abc\\t2.0\\tx': 'abc' is not a number"),
        ("a.txt", "hello", r"line 1: 'hello' is not 'start TAB stop TAB text'"),
        ("a.txt", "2.0\t1.0\n", r"line 1: .* it stops before it starts: swap the two times"),
        ("a.txt", "9.0\t11.0\n", r"line 1: .* it ends at 11 s, outside the recording of 10 s: shorten it"),
        ("a.txt", "-1\t1\n", r"line 1: .* it starts 1 s before the recording: move it inside"),
        ("a.txt", "nan\t1\n", r"line 1: .* start and stop must be finite"),
        ("a.txt", "\\\t1\t2\n", r"line 1: .* is a frequency row with no label above it"),
        ("a.txt", "1\t2\n\\\t5\n", r"line 1: .* the frequency row .* is not"),
        ("a.txt", "1\t2\n\\\t500\t100\n", r"line 1: .* the band 500 to 100 Hz is empty"),
        ("a.txt", "1\t2\n\\\t5000\t6000\n", r"line 1: .* the band starts at 5000 Hz, above half the sample rate"),
        ("a.txt", b"1\t2\tcaf\xe9\n", r"line 1 is not UTF-8 text"),
        ("a.txt", "0\n1\n", r"packet-loss trace: pass --packet-ms 20"),
        ("a.csv", "start_s,stop_s\n1,x\n", r"line 2: '1,x': 'x' is not a number"),
        ("a.csv", "start_s,stop_s\n1\n", r"line 2: '1': there is no stop: fill in stop_s, stop_ms or stop_sample"),
        ("a.csv", "start_s,stop_s,kind\n1,2,pop\n", r"line 2: .* kind 'pop' is not known: choose from gap"),
        ("a.csv", "start_s,stop_s,channel\n1,2,-1\n", r"line 2: .* channel '-1' is not a whole number from 0"),
        ("a.csv", "start_s,stop_s,confidence\n1,2,3\n", r"line 2: .* confidence 3 lies outside 0 to 1"),
        ("a.csv", 'start_s,stop_s\n1,"2\n', r"line 2: this row cannot be read"),
        ("a.json", "{", r"line 1: '\{' is not JSON"),
        ("a.json", "[]", r"the JSON is not a label file"),
        ("a.json", '{"version": 2, "labels": []}', r"version '2' of the format is not known, only 1: update caesura"),
        ("a.json", '{"labels": [{"stop_s": 2}]}', r'label 1: .* there is no "start" in samples'),
        ("a.json", '{"labels": [{"start": true}]}', r'label 1: .* "start" is \'True\', not a number'),
        ("a.json", '{"labels": [{"start_s": 1, "stop_s": 2, "kind": 3}]}', r'label 1: .* "kind" is \'3\', not text'),
    ],
)
def test_an_error_quotes_the_line_and_names_the_fix(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(written(tmp_path / name, content), sample_rate=8000, samples=80_000)


def test_a_trace_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "0\n1\n0\n1\n")
    with pytest.raises(ValueError, match=r"4 packets of 20 ms are longer than the recording of 0\.05 s"):
        read(path, sample_rate=8000, samples=400, packet_ms=20.0)
    with pytest.raises(ValueError, match="a packet of 0 ms is shorter than a sample"):
        read(path, sample_rate=8000, packet_ms=0.0)


def test_a_written_file_is_not_overwritten_and_needs_a_known_suffix(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", [], sample_rate=RATE)
    with pytest.raises(ValueError, match="exists: pass --force"):
        write(tmp_path / "a.txt", [], sample_rate=RATE)
    with pytest.raises(ValueError, match=r"cannot be written as '.wav': choose a name that ends in .txt, .csv, .json"):
        write(tmp_path / "a.wav", [], sample_rate=RATE)


def test_a_label_knows_its_kinds() -> None:
    with pytest.raises(ValueError, match="kind 'pop' is not known: choose from gap, silence"):
        Label(Region(0, 1), kind="pop")
    with pytest.raises(ValueError, match=r"confidence 1\.5 lies outside 0 to 1"):
        Label(Region(0, 1), confidence=1.5)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def wav(cues: bytes = b"") -> bytes:
    """One second of 8 kHz silence, 8 bit, with chunks behind it."""
    body = b"WAVE" + chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)) + chunk(b"data", b"\x80" * 8000)
    return b"RIFF" + struct.pack("<I", len(body + cues)) + body + cues


def cue_chunks() -> bytes:
    """A region of 400 frames at 800, named, and a marker without a length at 10."""
    points = b"".join(struct.pack("<II4sIII", k, frame, b"data", 0, 0, frame) for k, frame in ((1, 800), (2, 10)))
    name = chunk(b"labl", struct.pack("<I", 1) + b"click 0.5 ch0: pop\0")
    length = chunk(b"ltxt", struct.pack("<II4sHHHH", 1, 400, b"rgn ", 0, 0, 0, 0))
    return chunk(b"cue ", struct.pack("<I", 2) + points) + chunk(b"LIST", b"adtl" + name + length)


def test_cue_regions_of_a_recording_are_labels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", wav(cue_chunks()))
    assert read(path, sample_rate=8000) == [Label(Region(800, 1200, channel=0), "click", 0.5, "pop")]
    assert read(path, sample_rate=16_000) == [Label(Region(1600, 2400, channel=0), "click", 0.5, "pop")]
    with pytest.raises(ValueError, match=r"cue 1: 'click 0\.5 ch0: pop': it ends at 0\.15 s, outside the recording"):
        read(path, sample_rate=8000, samples=900)


def test_a_recording_without_cue_regions_is_no_label_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="carries no cue regions: name a label file"):
        read(written(tmp_path / "a.wav", wav()), sample_rate=8000)

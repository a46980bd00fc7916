"""Packet-loss traces: one 0 (arrived) or 1 (lost) per packet, on lines of their own or separated by blanks.

Packet k covers the samples from round(k P) to round((k + 1) P) with P = packet_ms * sample_rate / 1000. Lost packets in
a row are one region.
"""

from __future__ import annotations

__all__ = ["is_trace", "read_trace"]

import itertools

from caesura.labels.label import Label, Timeline


def is_trace(lines: list[str]) -> bool:
    """Whether the lines hold nothing but zeros and ones, and at least one of them."""
    tokens = {token for line in lines for token in line.split()}
    return bool(tokens) and tokens <= {"0", "1"} and not any("\t" in line for line in lines)


def read_trace(lines: list[str], timeline: Timeline, packet_ms: float | None) -> list[Label]:
    """Labels of kind loss, one per burst of lost packets.

    Raises:
        ValueError: the length of a packet is not known, or the trace is longer than the recording.
    """
    if packet_ms is None:
        raise ValueError("this is a packet-loss trace: pass --packet-ms 20, or whatever the packets' length is")
    packet = packet_ms * timeline.sample_rate / 1000.0
    if not 1.0 <= packet < float("inf"):
        raise ValueError(f"a packet of {packet_ms:g} ms is shorter than a sample or endless: pass another --packet-ms")
    lost = [token == "1" for line in lines for token in line.split()]
    total = timeline.samples
    if total is not None and (len(lost) - 1) * packet >= total:
        seconds = total / timeline.sample_rate
        raise ValueError(
            f"{len(lost)} packets of {packet_ms:g} ms are longer than the recording of {seconds:.6g} s: "
            "pass another --packet-ms"
        )
    labels, first = [], 0
    for burst, group in itertools.groupby(lost):
        last = first + len(list(group))
        if burst:
            stop = last * packet if total is None else min(last * packet, total)
            labels.append(Label(timeline.region(first * packet, stop), kind="loss"))
        first = last
    return labels

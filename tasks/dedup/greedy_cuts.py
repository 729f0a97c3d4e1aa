"""Which passages are cut, over the windows that occur more than once, text by text; compiled.

It calls no other kernel, so it may stand in a file of its own (see `kernels`).
"""

from __future__ import annotations

import numpy as np

from tasks.dedup.kernels import compiled

_U64 = np.uint64
_LOW = np.uint64(0xFFFFFFFF)
_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)


@compiled
def greedy_cuts(places, same, spans, numbers, size, minimum):  # type: ignore[no-untyped-def]  # numba infers the types
    """What is cut: (C, 4) rank of the text, first byte, byte behind it, rank of the text where it stays.

    `places` (W,) of the windows, ascending: rank · 2³² + unit. `same` (W,) is the number, below `numbers`, that equal
    windows have, `spans` (W,) their bytes as `kernels.collect_windows` tells them. `minimum` is in bytes.
    """
    cuts, count = np.empty((1024, 4), np.int64), 0
    owner = np.full(numbers, _NONE, np.uint64)  # the place where a window stays
    source = np.empty(len(places), np.uint64)
    repeated = np.zeros(len(places), np.bool_)
    width, begin = _U64(size), 0
    while begin < len(places):
        rank, end = places[begin] >> _U64(32), begin
        own, before, behind = begin, -1, begin
        while end < len(places) and places[end] >> _U64(32) == rank:
            while places[own] + width <= places[end]:  # what could cover it is decided: is it a source for the rest?
                if repeated[own]:
                    before = own
                behind = max(behind, own + 1)
                while behind < end and not repeated[behind]:
                    behind += 1
                free = before < 0 or places[before] + width <= places[own]
                if free and (behind == end or places[behind] >= places[own] + width) and owner[same[own]] == _NONE:
                    owner[same[own]] = places[own]
                own += 1
            source[end] = owner[same[end]]
            repeated[end] = source[end] != _NONE
            end += 1

        at = begin
        while at < end:
            if not repeated[at]:
                at += 1
                continue
            last, following = at, at + 1  # of the run of repeated windows that overlap or touch
            while following < end and places[following] <= places[last] + width:
                if repeated[following]:
                    last = following
                following += 1
            if np.int64(spans[last] & _LOW) - np.int64(spans[at] >> _U64(32)) < minimum:
                repeated[at : last + 1] = False
                at = last + 1
                continue
            first, unit = spans[at] >> _U64(32), places[at]
            while at <= last:  # one cut for each stretch of it that stands in one text
                for later in range(at, last + 1):  # the last window that holds the first unit
                    if places[later] > unit:
                        break
                    if repeated[later]:
                        at = later
                origin = source[at] >> _U64(32)
                previous = at
                for later in range(at + 1, last + 1):
                    if repeated[later]:
                        if places[later] - places[previous] != source[later] - source[previous]:
                            break
                        previous = later
                if count == len(cuts):
                    cuts = np.append(cuts, np.empty_like(cuts)).reshape(-1, 4)
                cuts[count, 0], cuts[count, 1] = rank, first
                cuts[count, 2], cuts[count, 3] = spans[previous] & _LOW, origin
                count += 1
                first, unit, at = spans[previous] & _LOW, places[previous] + width, previous + 1

        reach, behind = _U64(0), begin
        for window in range(begin, end):  # what no cut touches stays, for later texts
            if repeated[window]:
                reach = places[window] + width
            behind = max(behind, window + 1)
            while behind < end and not repeated[behind]:
                behind += 1
            free = reach <= places[window] and (behind == end or places[behind] >= places[window] + width)
            if free and owner[same[window]] == _NONE:
                owner[same[window]] = places[window]
        begin = end
    return cuts[:count]

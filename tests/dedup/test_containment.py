"""Containment against brute force over Python sets, and planted leaks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dedup.containment import NONE, find_leaks, index_held_out

NOT_TOLD = 100
WORDS = st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join)


def grams(text: str, size: int) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def shingle_set(text: str, size: int) -> set[tuple[str, ...]]:
    return grams(text, size) or {tuple(text.split())}


def told_groups(own: list[set[tuple[str, ...]]], groups: list[int], size: int) -> list[int]:
    """Groups with those that are not told: 3/4 of a text's n-grams have the same longest text that holds them, and it
    is not so that most texts of its benchmark are in its group and `size` of its n-grams and more are others."""
    found = [NOT_TOLD + at if group < 0 else group for at, group in enumerate(groups)]
    untold = sorted((at for at, group in enumerate(groups) if group < 0), key=lambda at: (-len(own[at]), at))
    others = dict.fromkeys(untold, 0)
    for text in untold:
        longest = [next(other for other in untold if gram in own[other]) for gram in own[text]]
        for other in set(longest):
            if longest.count(other) >= 0.75 * len(longest):
                found = [found[other] if group == found[text] else group for group in found]
                others[text] = len(longest) - longest.count(other)
    alone = []
    for text in untold:
        benchmark = [other for other in untold if groups[other] == groups[text] and own[other]]
        together = sum(found[other] == found[text] for other in benchmark)
        alone += [text] * (together > len(benchmark) / 2 and others[text] >= size)
    return [2 * NOT_TOLD + at if at in alone else group for at, group in enumerate(found)]


PASSAGE = " ".join(f"p{at}" for at in range(20))
BEHIND = st.lists(st.sampled_from("abcd"), max_size=14).map(" ".join)
ON_PASSAGE = BEHIND.map(lambda words: f"{PASSAGE} {words}")


@settings(deadline=None)
@given(
    st.lists(WORDS | ON_PASSAGE, max_size=8),
    st.lists(st.tuples(WORDS | ON_PASSAGE, st.integers(-2, 4)), max_size=6)
    | st.lists(st.tuples(ON_PASSAGE, st.integers(-2, NONE)), min_size=3, max_size=6),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_shares_and_jaccard_equal_brute_force(documents, held_out, minimum_words, boilerplate_groups):
    texts, groups = [text for text, _ in held_out], [group for _, group in held_out]
    own = [grams(text, 4) or ({tuple(text.split())} if len(text.split()) >= minimum_words else set()) for text in texts]
    where: dict[tuple[str, ...], set[int]] = {}
    for held, group in zip(own, told_groups(own, groups, 4), strict=True):
        for gram in held:
            where.setdefault(gram, set()).add(group)
    own = [{gram for gram in held if len(where[gram]) <= boilerplate_groups} or held for held in own]
    index = index_held_out(
        texts, groups, size=4, minimum_words=minimum_words, boilerplate_groups=boilerplate_groups, shingle_size=2
    )
    leaks = find_leaks(index, documents, share=0.5, jaccard=0.8)
    for i, document in enumerate(documents):
        words = document.split()
        held = {tuple(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)}
        shares = [len(gram & held) / len(gram) if gram else 0.0 for gram in own]
        mine = shingle_set(document, 2)
        jaccards = [len(mine & shingle_set(t, 2)) / len(mine | shingle_set(t, 2)) for t in texts]
        assert leaks.share[i] == max(shares, default=0.0)
        assert leaks.jaccard[i] == max(jaccards, default=0.0)
        leaking = [t for t in range(len(texts)) if shares[t] >= 0.5 or jaccards[t] >= 0.8]
        assert (leaks.text[i] in leaking) if leaking else leaks.text[i] == NONE


def sentence(seed: int, count: int) -> str:
    return " ".join(f"w{n}" for n in np.random.default_rng(seed).integers(0, 5000, count))


def leak_of(document: str, held_out: list[str], groups: list[int] | None = None) -> int:
    index = index_held_out(
        held_out,
        groups or list(range(len(held_out))),
        size=13,
        minimum_words=5,
        boilerplate_groups=10,
        shingle_size=5,
    )
    return int(find_leaks(index, [document], share=0.5, jaccard=0.8).text[0])


def test_planted_leaks_are_found_verbatim_embedded_and_edited():
    held_out = [sentence(seed, 80) for seed in range(20)]
    assert leak_of(held_out[3].upper(), held_out) == 3
    assert leak_of(f"{sentence(99, 400)} {held_out[7]} {sentence(98, 400)}", held_out) == 7
    words = held_out[5].split()
    words[40] = "changed"
    assert leak_of(" ".join(words), held_out) == 5
    assert leak_of(sentence(77, 500), held_out) == NONE


def test_half_of_a_text_is_a_leak_and_less_is_none():
    text = sentence(1, 112)  # 100 13-grams
    words = text.split()
    assert leak_of(" ".join(words[:62]), [text]) == 0  # 50 of them
    assert leak_of(" ".join(words[:61]), [text]) == NONE


def test_what_stands_in_more_than_ten_groups_is_boilerplate():
    common = sentence(0, 60)
    held_out = [f"{common} {sentence(seed, 30)}" for seed in range(1, 13)]
    document = f"{common} {sentence(50, 30)}"
    assert leak_of(document, held_out) == NONE
    assert leak_of(document, held_out, groups=[0] * 12) != NONE
    assert leak_of(held_out[4], held_out) == 4


def test_a_passage_of_many_questions_is_no_boilerplate():
    """As in SQuAD: 12 records of one passage (138 of 168 runs of 13 words); as 12 groups they would make one."""
    passage = sentence(0, 150)
    squad = [f"{passage} {sentence(seed, 30)}" for seed in range(1, 13)]
    others = [sentence(seed, 180) for seed in range(20, 40)]
    assert leak_of(f"{sentence(60, 200)} {passage} {sentence(61, 200)}", squad + others, [NONE] * 32) in range(12)
    assert leak_of(f"{sentence(60, 200)} {passage} {sentence(61, 200)}", squad + others) == NONE


def test_the_prompt_of_a_benchmark_is_boilerplate():
    """30 words before 60 of each record's own: 18 of 78 runs. Records that share no more do not belong together."""
    prompt = sentence(0, 30)
    records = [f"{prompt} {sentence(seed, 60)}" for seed in range(1, 13)]
    index = index_held_out(records, [NONE] * 12, size=13, minimum_words=5, boilerplate_groups=10, shingle_size=5)
    assert index.boilerplate == 18
    assert index.gram_counts.tolist() == [60] * 12


def test_a_notice_is_boilerplate_though_it_is_half_or_most_of_each_record():
    """100 words before 60, 40 or 20 of each record's own, in 40 records; what is a record's own is found."""
    notice, others = sentence(0, 100), [sentence(seed, 150) for seed in range(200, 230)]
    for own in (60, 40, 20):
        records = [f"{notice} {sentence(seed, own)}" for seed in range(1, 41)]
        assert leak_of(f"{notice} {sentence(50, 400)}", records + others, [NONE] * 70) == NONE
        assert leak_of(
            f"{sentence(51, 200)} {sentence(7, own)} {sentence(52, 200)}", records + others, [NONE] * 70
        ) == (
            6 if own > 24 else NONE  # 12 of the runs of its own begin in the notice
        )
        assert leak_of(f"{sentence(51, 200)} {records[6]}", records + others, [NONE] * 70) == 6


def test_most_of_a_benchmark_are_most_of_its_own_records():
    """The notice of 40 records, beside another benchmark of a hundred."""
    notice, others = sentence(0, 100), [sentence(seed, 150) for seed in range(200, 300)]
    records = [f"{notice} {sentence(seed, 25)}" for seed in range(1, 41)]
    document = f"{notice} {sentence(50, 400)}"
    assert leak_of(document, records + others, [NONE] * 40 + [NONE - 1] * 100) == NONE
    assert leak_of(document, records + others, [NONE] * 140) != NONE  # a passage with 40 questions


def test_readings_of_a_text_are_one_group_and_each_leaks():
    text, field, edited = sentence(1, 80), " ".join(sentence(1, 80).split()[50:]), sentence(2, 70)
    held_out, first = [text, field, edited] * 11, [3 * (at // 3) for at in range(33)]
    for groups in ([0] * 33, [NONE] * 33):
        index = index_held_out(
            held_out, groups, first=first, size=13, minimum_words=5, boilerplate_groups=10, shingle_size=5
        )
        assert index.boilerplate == 0
        leaks = find_leaks(index, [f"{sentence(9, 300)} {one}" for one in held_out[:3]], share=0.5, jaccard=0.8)
        assert leaks.text.tolist() == [0, 1, 2]


def test_a_record_listed_many_times_is_found():
    text = sentence(3, 60)
    assert leak_of(f"{sentence(5, 50)} {text}", [text] * 11, [NONE] * 11) == 0
    short = "disable root login on every host"
    assert leak_of(f"You should {short} today", [short] * 11, [NONE] * 11) == 0


def test_a_text_of_nothing_but_boilerplate_keeps_its_ngrams():
    notice = sentence(0, 30)
    around = [f"{sentence(seed, 60)} {notice}" for seed in range(30, 41)]
    assert leak_of(f"{sentence(90, 50)} {notice}", around) == NONE
    assert leak_of(f"{sentence(90, 50)} {notice}", [*around, notice]) == 11


def test_of_a_short_text_the_whole_must_occur():
    short = "disable root login on every host"
    assert leak_of(f"You should {short} today, and more words follow here", [short]) == 0
    assert leak_of("You should disable root login on every server today", [short]) == NONE


def test_a_text_of_a_few_words_leaks_only_as_a_document_of_its_own():
    assert leak_of("the root account has no hardware token at all", ["root account"]) == NONE
    assert leak_of("Root account.", ["root account"]) == 0


class Planted:
    """200 held-out texts of 30 to 300 words, a third of them behind one of three notices that 30 texts share."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(11)
        self.notices = [self.text(40) for _ in range(3)]
        self.own = [self.text(int(length)) for length in self.random.integers(30, 300, 200)]
        self.held_out = [f"{self.notices[i % 3]} {own}" if i < 90 else own for i, own in enumerate(self.own)]
        self.index = index_held_out(
            self.held_out,
            list(range(200)),
            size=13,
            minimum_words=5,
            boilerplate_groups=10,
            shingle_size=5,
        )

    def text(self, words: int) -> str:
        """Words as frequent as in a language (Zipf)."""
        return " ".join(f"w{n}" for n in self.random.zipf(1.3, words) % 5000)

    def edited(self, text: str, share: float) -> str:
        words = text.split()
        for place in self.random.choice(len(words), int(share * len(words)), replace=False):
            words[place] = "edited"
        return " ".join(words)

    def found(self, documents: list[str]) -> np.ndarray:
        """Which documents leak the text of their own number."""
        leaks = find_leaks(self.index, documents, share=0.5, jaccard=0.8)
        return leaks.text == np.arange(len(documents))


def test_all_planted_leaks_are_found_and_boilerplate_alone_is_none():
    planted = Planted()
    assert planted.index.boilerplate >= 3 * 28  # the notices' 13-grams
    assert planted.found(planted.held_out).all()
    assert planted.found([f"{planted.text(400)} {text} {planted.text(400)}" for text in planted.held_out]).all()
    assert planted.found([planted.edited(text, 0.02) for text in planted.held_out]).all()
    around = [f"{planted.text(400)} {planted.edited(own, 0.02)} {planted.text(400)}" for own in planted.own]
    assert planted.found(around).all()
    innocent = [f"{planted.notices[i % 3]} {planted.text(150)}" for i in range(500)]
    leaks = find_leaks(planted.index, innocent, share=0.5, jaccard=0.8)
    assert (leaks.text != NONE).mean() <= 0.01


def test_of_leaks_with_one_word_in_twenty_edited_a_part_is_found():
    """A 13-gram survives 5 % of edits with probability 0.95^13 = 0.51: about half the texts keep half of theirs."""
    planted = Planted()
    recall = planted.found([planted.edited(text, 0.05) for text in planted.held_out]).mean()
    assert 0.4 < recall < 0.9

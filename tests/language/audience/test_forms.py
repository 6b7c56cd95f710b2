"""What is asked for beforehand, so that few expressions are tried, hides none that they find."""

from __future__ import annotations

from benchmarks.quality.audience.sentences import load
from langchain_redis_memory.cache.sharing import unrepeatable
from langchain_redis_memory.language.audience import person, public, world
from langchain_redis_memory.language.audience.linguistic import classify_audience
from langchain_redis_memory.language.audience.words import Phrasing, Sentence, word_lists
from langchain_redis_memory.language.turn_tokens import WORD


def test_a_form_that_is_found_is_never_skipped() -> None:
    lists = word_lists()
    texts = {" ".join(WORD.findall(sentence.text.lower())) for sentence in load()[::5]}
    expected = set()
    for sign, forms in lists._forms.items():
        for form in forms:
            firsts = {start.partition("+")[0] for start in form.starts}  # these decide; a second word only tells sooner
            mine = [text for text in texts if not firsts or text.partition(" ")[0] in firsts]
            expected |= {(text, sign) for text in mine if form.pattern.search(text)}
    assert len({sign for _, sign in expected}) > 20
    assert expected == {(text, sign) for text in texts for sign, _ in lists.forms(text)}


def test_a_form_is_told_by_a_word_that_it_must_have_and_by_how_sentences_start() -> None:
    lists = word_lists()
    assert dict(lists.forms("who is available on friday"))["stage"].endswith("available on friday")
    assert "stage" not in dict(lists.forms("who is friday"))
    assert "how_works" in dict(lists.forms("how do refunds work"))
    assert "how_works" not in dict(lists.forms("where do refunds work"))


def test_an_expression_that_finds_something_is_never_left_out() -> None:
    phrasings = {name: one for room in (person, public, world) for name, one in vars(room).items() if _asks(one)}
    sentences = [Sentence(words) for one in load()[::5] if (words := WORD.findall(one.text.lower()))]
    found = [(name, s.text) for name, one in phrasings.items() for s in sentences if one.pattern.search(s.text)]
    assert len({name for name, _ in found}) > 8
    assert found == [(name, s.text) for name, one in phrasings.items() for s in sentences if one.search(s)]


def test_the_clock_is_asked_for_without_a_space_as_well() -> None:
    for text in ("whattime is it", "whatday is it", "what's theday", "what isyear", "what'sdate is it"):
        s = Sentence(text.split())
        assert bool(world._CLOCK.search(s)) == bool(world._CLOCK.pattern.search(text))
    assert unrepeatable("Whattime is it in Oslo?") == "volatile"


def _asks(one: object) -> bool:
    return isinstance(one, Phrasing)


def test_what_is_decided_early_is_what_the_whole_classifier_says() -> None:
    texts = [one.text for one in load()[::10]] + ["Wie wird das Wetter?", "qzx vbn", ""]
    seen = {unrepeatable(text) for text in texts}
    assert seen == {None, "effect", "vary", "volatile"}
    assert [unrepeatable(text) for text in texts] == [
        unrepeatable(text, lambda turn, *, opaque: classify_audience(turn, opaque=opaque)) for text in texts
    ]

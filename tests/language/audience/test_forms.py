"""What a form of sentences asks for beforehand, so that few are compiled, hides none that its phrasings find."""

from __future__ import annotations

from benchmarks.quality.audience.sentences import load
from langchain_redis_memory.language.audience.words import word_lists
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

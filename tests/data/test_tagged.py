"""The tagged sentences: complete, consistent, and hard enough to need the words around."""

from collections import Counter

from minigrad.data import tagged_sentences

TAGS = {"ADJ", "ADP", "ADV", "AUX", "DET", "NOUN", "PART", "PRON", "VERB"}
ALWAYS = {"the": "DET", "a": "DET", "i": "PRON", "we": "PRON", "you": "PRON", "is": "AUX", "was": "AUX", "in": "ADP"}


def test_every_sentence_is_there_once_with_known_tags():
    sentences = tagged_sentences()
    assert len(sentences) == 124
    assert len({tuple(sentence) for sentence in sentences}) == 124
    assert {tag for sentence in sentences for _, tag in sentence} == TAGS
    assert all(word.isalpha() and word.islower() for sentence in sentences for word, _ in sentence)


def test_function_words_have_one_tag_and_every_sentence_has_a_verb():
    for sentence in tagged_sentences():
        assert {"VERB", "AUX"} & {tag for _, tag in sentence}, sentence
        assert [(w, t) for w, t in sentence if ALWAYS.get(w, t) != t] == []


def test_words_that_can_be_several_things_are_frequent():
    words = [pair for sentence in tagged_sentences() for pair in sentence]
    kinds = Counter(word for word, _ in set(words))
    assert sum(kinds[word] > 1 for word, _ in words) > len(words) / 3


def test_every_call_returns_lists_of_its_own():
    tagged_sentences()[0].clear()
    assert len(tagged_sentences()[0]) == 6

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitket.quantum.language import PregroupParser, bag_of_words, mc_lexicon
from bitket.quantum.language.tokens import tokens
from bitket.quantum.language.types import Ty


@pytest.mark.parametrize(
    ("text", "known", "words"),
    [
        ("Man cooks meal.", ["man"], "man cooks meal"),
        ('"Romeo" loves (Juliet)...', ["Romeo", "Juliet"], "Romeo loves Juliet"),
        ("ROMEO, Romeo & romeo", ["Romeo"], "romeo Romeo romeo"),
        ("I can't, won't, and don't; we've said it's so!", [], "i can not will not and do not we have said it 's so"),
        ("The cat’s well-known 3rd dish", [], "the cat 's well-known 3rd dish"),
        ("‘yes’ dogs' 'tis", [], "yes dogs tis"),
        ("don't stop", ["don't"], "don't stop"),
        ("yes, no", [","], "yes , no"),
        ("\ufeffman\u200b cooks\u00a0meal", [], "man cooks meal"),
        ("cafe\u0301 na\u00efve \u4eba", ["caf\u00e9"], "café naïve 人"),
        ("... !? -- ' \"", [], ""),
        ("U.S. e.g., 3.5", ["U.S."], "U.S. e.g 3.5"),
    ],
)
def test_sentences_as_people_write_them(text, known, words):
    assert tokens(text, set(known)) == words.split()


@given(st.text(max_size=60))
def test_tokens_have_no_blanks_and_are_themselves_tokens(text):
    found = tokens(text)
    assert all(word and len(word.split()) == 1 for word in found)
    again = tokens(" ".join(found), set(found))
    assert again == found


@given(st.lists(st.sampled_from(sorted(mc_lexicon())), min_size=1, max_size=8))
def test_words_of_the_lexicon_stay(words):
    assert tokens(" ".join(words), mc_lexicon()) == words
    assert tokens(", ".join(words).capitalize() + ".", mc_lexicon()) == words


def test_parser_and_readers_take_plain_sentences_and_lists_stay_as_they_are():
    parser = PregroupParser(mc_lexicon())
    assert parser.parse("Skillful man cooks meal!") == parser.parse("skillful man cooks meal")
    with pytest.raises(ValueError, match="word 'Man' "):
        parser.parse(["Man", "cooks", "meal"])
    assert bag_of_words("Man, cooks!", Ty("s")) == bag_of_words(["man", "cooks"], Ty("s"))

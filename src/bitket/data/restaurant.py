"""Generated restaurant reviews: short sentences about food, service and place from templates.

The mood of a review is that of its clauses: an adjective, turned round by a negation in a quarter of them. Some reviews concede a point to
the other side, some carry a filler, and a tenth of the labels is wrong, so no classifier can be right on more than about 90 %.
"""

from __future__ import annotations

import numpy as np

from bitket.data.rows import Texts
from bitket.errors import InvalidInput

__all__ = ["restaurant"]

_FOOD = (
    "burger", "pizza", "soup", "salad", "steak", "pasta", "sushi", "fries", "chicken", "dessert", "coffee", "bread",
    "fish", "curry", "sandwich", "rice", "sauce", "breakfast", "noodles", "tacos",
)  # fmt: skip
_SERVICE = ("service", "waiter", "staff", "server", "waitress", "manager", "hostess", "bartender")
_PLACE = ("place", "restaurant", "atmosphere", "music", "patio", "decor", "bathroom", "menu", "location")
_GOOD = {
    "food": ("delicious", "fresh", "tasty", "crispy", "tender", "flavorful", "perfect", "amazing", "hot", "great"),
    "service": ("friendly", "attentive", "quick", "helpful", "polite", "great", "professional", "prompt"),
    "place": ("clean", "cozy", "lovely", "charming", "wonderful", "great", "relaxing", "beautiful"),
}
_BAD = {
    "food": ("bland", "cold", "soggy", "overcooked", "stale", "greasy", "dry", "disgusting", "burnt", "terrible"),
    "service": ("rude", "slow", "careless", "unfriendly", "terrible", "forgetful", "lazy", "awful"),
    "place": ("dirty", "noisy", "crowded", "smelly", "awful", "overpriced", "depressing", "cramped"),
}
_PRAISE = (
    "we will be back", "highly recommend it", "I loved it", "best meal in a long time", "worth every penny",
    "my new favorite", "I enjoyed every bite",
)  # fmt: skip
_BLAME = (
    "we will never return", "I do not recommend it", "I hated it", "what a waste of money", "never again",
    "save your money", "I left hungry",
)  # fmt: skip
_FILLERS = (
    "We came on a Friday night.", "It was my birthday.", "My husband ordered the special.", "We had a table outside.",
    "This was our second visit.", "We drove an hour to get here.", "They opened last month.", "I went with my friends.",
)  # fmt: skip
_VERBS = ("was", "is", "seemed", "was really", "was so", "was just", "was absolutely")


def restaurant(size: int = 1000, noise: float = 0.1, seed: int = 0) -> Texts:
    """Generated reviews, equally many of each mood, in random order.

    Parameters
    ----------
    size
        Even.
    noise
        Part of the labels that is turned round, 0 to 0.5.
    seed
        Of all draws.

    Raises
    ------
    InvalidInput
        The size is odd or not positive, or the noise out of its range.

    Examples
    --------
    >>> restaurant(8, noise=0.0).texts[3]
    'The decor was so charming and the manager seemed quick.'
    """
    if size < 2 or size % 2:
        raise InvalidInput(f"{size} reviews: an even number from 2 on is needed")
    if not 0 <= noise <= 0.5:
        raise InvalidInput(f"label noise {noise}: a number from 0 to 0.5 is needed")
    generator = np.random.default_rng(seed)
    moods = generator.permutation(np.repeat([0, 1], size // 2))
    texts = tuple(_review(bool(mood), generator) for mood in moods)
    wrong = generator.permutation(size)[: round(noise * size)]
    labels = moods.copy()
    labels[wrong] = 1 - labels[wrong]
    return Texts(texts, labels.astype(np.int64))


def _one(words: tuple[str, ...], generator: np.random.Generator) -> str:
    return words[int(generator.integers(len(words)))]


def _clause(good: bool, generator: np.random.Generator) -> str:
    theme = ("food", "food", "service", "place")[int(generator.integers(4))]
    subject = _one({"food": _FOOD, "service": _SERVICE, "place": _PLACE}[theme], generator)
    if generator.random() < 0.25:
        adjective = _one((_BAD if good else _GOOD)[theme], generator)
        return f"the {subject} {_one(('was not', 'is never', 'was hardly', 'was not at all'), generator)} {adjective}"
    return f"the {subject} {_one(_VERBS, generator)} {_one((_GOOD if good else _BAD)[theme], generator)}"


def _review(good: bool, generator: np.random.Generator) -> str:
    if generator.random() < 0.25:
        main = _one(_PRAISE if good else _BLAME, generator)
    else:
        main = _clause(good, generator)
        if generator.random() < 0.4:
            main += f" and {_clause(good, generator)}"
    if generator.random() < 0.2:
        main += f", but {_clause(not good, generator)}"
    sentence = main[0].upper() + main[1:] + ("!" if generator.random() < 0.2 else ".")
    return f"{_one(_FILLERS, generator)} {sentence}" if generator.random() < 0.3 else sentence

"""The paper that a study reruns, and its BibTeX entry."""

from __future__ import annotations

from dataclasses import dataclass

from bitket.errors import InvalidInput

__all__ = ["Paper"]

_SPECIAL = str.maketrans({c: "\\" + c for c in "&%$#_"})


@dataclass(frozen=True)
class Paper:
    """A publication.

    Attributes
    ----------
    key
        The study's key, in words with hyphens (``zne-nn``); also the key of the BibTeX entry.
    title, authors, year
        As printed; authors as "First Last".
    arxiv, doi, url
        Identifiers without a prefix (``2403.07025``), and a page for what has neither.
    journal, booktitle
        Where it was published: a journal, or the proceedings of a conference; neither for a preprint.
    volume, pages
        Of the publication.

    Raises
    ------
    InvalidInput
        The key is not made of lower-case words with hyphens, or a title or author is missing.

    Examples
    --------
    >>> print(Paper("spsa", "Stochastic approximation", ("James C. Spall",), 1992, journal="IEEE Trans. Autom. Control").bibtex())
    @article{spsa,
      title = {{Stochastic approximation}},
      author = {James C. Spall},
      year = {1992},
      journal = {IEEE Trans. Autom. Control}
    }
    """

    key: str
    title: str
    authors: tuple[str, ...]
    year: int
    arxiv: str = ""
    doi: str = ""
    url: str = ""
    journal: str = ""
    booktitle: str = ""
    volume: str = ""
    pages: str = ""

    def __post_init__(self) -> None:
        if not all(part.isalnum() and part == part.lower() for part in self.key.split("-")):
            raise InvalidInput(f"paper key '{self.key}': lower-case words joined by hyphens are needed")
        if not self.title or not self.authors or isinstance(self.authors, str):
            raise InvalidInput(f"paper {self.key}: a title and a tuple of authors are needed")

    def bibtex(self) -> str:
        """A BibTeX entry: ``@article``, ``@inproceedings``, or ``@misc`` for a preprint."""
        kind = "article" if self.journal else "inproceedings" if self.booktitle else "misc"
        rows = {
            "title": "{" + self.title.translate(_SPECIAL) + "}",
            "author": " and ".join(self.authors).translate(_SPECIAL),
            "year": str(self.year),
            "journal": self.journal.translate(_SPECIAL),
            "booktitle": self.booktitle.translate(_SPECIAL),
            "volume": self.volume,
            "pages": self.pages,
            "doi": self.doi,
            "url": self.url,
            "eprint": self.arxiv,
            "archivePrefix": "arXiv" if self.arxiv else "",
        }
        body = ",\n".join(f"  {k} = {{{v}}}" for k, v in rows.items() if v)
        return f"@{kind}{{{self.key},\n{body}\n}}"

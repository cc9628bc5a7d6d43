"""The tokenizer of a published CLIP, from files beside it or from elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

from lrinterp.encoders import ClipSpec
from lrinterp.store import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["read_tokenizer"]

WHOLE, WORDS, MERGES = "tokenizer.json", "vocab.json", "merges.txt"
EXPECTED = f"{WHOLE}, or {WORDS} and {MERGES}"


def read_tokenizer(folder: Path, given: str | Path | None, spec: ClipSpec) -> "Tokenizer":
    """The tokenizer of a folder, or of the folder or file that was given instead.

    Captions are lower-cased and marked with start and end as CLIP does; they are neither padded
    nor cut. Raises InputError where there is none, or where it does not fit the model.
    """
    place = Path(given) if given is not None else folder
    try:
        tokenizer = open_tokenizer(place, needed=given is None)
    except InputError:
        raise
    except Exception as error:  # tokenizers raises plain exceptions for whatever it cannot read
        raise InputError(f"{place}: not a tokenizer ({str(error).splitlines()[0]})") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    check(tokenizer, spec, place)
    return tokenizer


def open_tokenizer(place: Path, *, needed: bool) -> "Tokenizer":
    """The tokenizer in a folder or file; `needed` says that the user named no other place."""
    from tokenizers import Tokenizer
    from transformers import CLIPTokenizer

    if place.is_file():
        return Tokenizer.from_file(str(place))
    if (place / WHOLE).is_file():
        return Tokenizer.from_file(str(place / WHOLE))
    words, merges = place / WORDS, place / MERGES
    if words.is_file() and merges.is_file():
        return CLIPTokenizer(vocab=str(words), merges=str(merges)).backend_tokenizer
    remedy = f"; pass --tokenizer PATH, a folder with {EXPECTED}" if needed else ""
    raise InputError(f"{place}: has no tokenizer ({EXPECTED}){remedy}")


def check(tokenizer: "Tokenizer", spec: ClipSpec, place: Path) -> None:
    """Refuse a tokenizer that does not mark captions, or has ids that the model does not know."""
    if (size := tokenizer.get_vocab_size()) > spec.vocabulary:
        raise InputError(f"{place}: {size} tokens, the text tower knows {spec.vocabulary}")
    ids = tokenizer.encode("a").ids
    if (top := max(*ids, *tokenizer.get_vocab().values(), 0)) >= spec.vocabulary:
        known = f"0 to {spec.vocabulary - 1}"
        raise InputError(f"{place}: has token id {top}, the text tower knows {known}")
    if len(ids) != 3:
        raise InputError(f"{place}: expected a start and an end around a caption, got ids {ids}")
    if spec.end is not None and ids[-1] != spec.end:
        ends = f"captions end with token {ids[-1]}"
        raise InputError(f"{place}: {ends}, the configuration pools token {spec.end}")
    # the first token of the pooled id is taken, which must be the last token and no earlier one
    if ids.index(max(ids) if spec.end is None else spec.end) < len(ids) - 1:
        pooled = "the highest id" if spec.end is None else f"token {spec.end}"
        what = f"a caption reads {ids} and {pooled} is pooled"
        raise InputError(f"{place}: {what}, which is not its end; start and end tokens exchanged?")

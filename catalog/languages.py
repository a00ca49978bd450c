"""Which of PostgreSQL's languages a shop's texts are in."""

from typing import Final

UNSTEMMED: Final = "public.recom_simple"
_BY_TAG: Final = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch",
    "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip


def configuration(locale: str) -> str:
    """The text search configuration for a locale, e.g. `de-AT` → `public.recom_german`.

    A language that PostgreSQL has no stemmer for is searched without one.
    """
    return f"public.recom_{_BY_TAG.get(_language(locale), 'simple')}"


def stemmer(locale: str) -> str:
    """The dictionary that the configuration stems words with."""
    language = _BY_TAG.get(_language(locale))
    return f"pg_catalog.{language}_stem" if language else "pg_catalog.simple"


def _language(locale: str) -> str:
    return locale.partition("-")[0].lower()

"""What passwords may not hold beside what Django's validators say: words that anybody would try here first."""

from typing import Final

from django.core.exceptions import ValidationError

WORDS: Final = ("recomengine", "recom engine", "recommend")


class ContextWordsValidator:
    """Refuses passwords that hold the product's name or the local part of the person's email address."""

    def validate(self, password: str, user: object = None) -> None:
        local = str(getattr(user, "email", "") or "").lower().partition("@")[0]
        words = (*WORDS, local) if len(local) >= 4 else WORDS
        if any(word in password.lower() for word in words):
            raise ValidationError(self.get_help_text(), code="password_in_context")

    def get_help_text(self) -> str:
        return "The password may hold neither this product's name nor the name in your email address."

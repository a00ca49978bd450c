"""Forms of accounts: signing up, and those of allauth that have to ask for more."""

from typing import Any, Final

from allauth.account.forms import ReauthenticateForm as PasswordAgainForm
from allauth.account.forms import ResetPasswordForm as AnyAddressForm
from allauth.mfa.base.forms import AuthenticateForm
from django import forms

from recomengine.lib.errors import DomainError
from tenants import people
from tenants.models import User, timezones
from tenants.provisioning import NewTenant

CURRENCIES: Final = (
    "EUR", "USD", "GBP", "CHF", "PLN", "CZK", "SEK", "NOK", "DKK", "HUF", "RON", "BGN", "ISK", "TRY", "UAH", "AUD",
    "NZD", "CAD", "MXN", "BRL", "ARS", "CLP", "COP", "JPY", "CNY", "HKD", "TWD", "KRW", "INR", "IDR", "MYR", "PHP",
    "SGD", "THB", "VND", "AED", "SAR", "ILS", "EGP", "ZAR", "NGN", "KES",
)  # fmt: skip


class InvitedForm(forms.Form):
    """An account for somebody whose address is known from the invitation to a shop."""

    email = forms.EmailField(max_length=254)
    password = forms.CharField(max_length=200, strip=False)
    name = forms.CharField(max_length=120)

    def __init__(self, *args: Any, invited: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if invited:
            self.fields["email"].disabled = True
            self.initial["email"] = invited

    def new_tenant(self) -> NewTenant | None:
        return None

    def refuse(self, error: DomainError) -> None:
        """Show a refusal beside the fields it is about."""
        for each in error.errors:
            name = each["pointer"].removeprefix("/")
            self.add_error(name if name in self.fields else None, each["message"])
        if not error.errors:
            taken = User.objects.filter(email__iexact=self.cleaned_data["email"]).exists()
            self.add_error("email" if taken and not self.fields["email"].disabled else None, str(error))


class SignUpForm(InvitedForm):
    """An account, and the shop that comes with it."""

    shop = forms.CharField(max_length=120)
    currency = forms.ChoiceField(choices=[(code, code) for code in CURRENCIES], initial="EUR")
    timezone = forms.CharField(required=False)  # guessed by the page's script

    def clean_timezone(self) -> str:
        name = str(self.cleaned_data["timezone"])
        return name if name in timezones() else "UTC"

    def new_tenant(self) -> NewTenant:
        values = self.cleaned_data
        return NewTenant(values["shop"], currency=values["currency"], timezone=values["timezone"])


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["name"]


class ReauthenticateForm(PasswordAgainForm):  # type: ignore[misc]
    """Asks for the password and, where there is one, for the second factor as well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if people.has_second_factor(self.user):
            self.fields["code"] = forms.CharField(max_length=40)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean()
        if "code" in self.fields and values.get("password") and values.get("code"):
            second = AuthenticateForm(data={"code": values["code"]}, user=self.user)
            if second.is_valid():
                second.authenticator.record_usage()
            else:
                self.add_error("code", second.errors["code"])
        return values


class ResetPasswordForm(AnyAddressForm):  # type: ignore[misc]
    """A link goes to a person's own address only, not to one that she has only asked to change to."""

    def clean_email(self) -> str:
        email = str(super().clean_email())
        self.users: list[User] = [user for user in self.users if user.email.lower() == email.lower()]
        return email

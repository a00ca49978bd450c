"""The demo shops: what they are called and what is said of their data."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class DemoShop:
    slug: str
    name: str
    currency: str
    notice: str


GIFT_SHOP: Final = DemoShop(
    "gift-shop",
    "Gift Shop",
    "GBP",
    "Real orders of a UK gift shop, 2010–2011 (UCI Online Retail), moved in time as a whole",
)
HOME_GOODS: Final = DemoShop("home-goods", "Home Goods", "USD", "Fictional products and simulated shoppers")
SHOPS: Final = (GIFT_SHOP, HOME_GOODS)

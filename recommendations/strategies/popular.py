"""Popular: what most shoppers choose."""

from typing import Final

from recommendations.strategies.shop_list import ShopList

POPULAR: Final = ShopList(
    "popular",
    "Popular",
    "What most shoppers choose.",
    "popular",
    "{count} shoppers chose this in the last three months",
)

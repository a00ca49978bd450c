"""The strategies that a placement can name. To add one: a module here, and its name in this registry."""

from collections.abc import Mapping
from typing import Final

from recommendations.strategies.also_viewed import ALSO_VIEWED
from recommendations.strategies.base import Anchors, Asked, Strategy
from recommendations.strategies.blends import Blend, blend, tuned
from recommendations.strategies.bought_together import BOUGHT_TOGETHER
from recommendations.strategies.buy_again import BUY_AGAIN
from recommendations.strategies.for_you import FOR_YOU
from recommendations.strategies.new import NEW
from recommendations.strategies.popular import POPULAR
from recommendations.strategies.recently_viewed import RECENTLY_VIEWED
from recommendations.strategies.session import SESSION
from recommendations.strategies.similar import SIMILAR
from recommendations.strategies.trending import TRENDING

STRATEGIES: Final[Mapping[str, Strategy]] = {
    strategy.name: strategy
    for strategy in (
        ALSO_VIEWED,
        BOUGHT_TOGETHER,
        SIMILAR,
        SESSION,
        FOR_YOU,
        TRENDING,
        POPULAR,
        NEW,
        RECENTLY_VIEWED,
        BUY_AGAIN,
    )
}

__all__ = ["STRATEGIES", "Anchors", "Asked", "Blend", "Strategy", "blend", "tuned"]

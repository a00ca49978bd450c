"""Random interactions for Hypothesis: few visitors and items, so that everything that can coincide does."""

from hypothesis import strategies as st

from tests.recommendations.algorithms.tables import Row, event


@st.composite
def _events(draw: st.DrawFn) -> Row:
    buys = draw(st.booleans())
    return event(
        draw(st.sampled_from("ab")),
        draw(st.integers(1, 5)),
        draw(st.integers(0, 12)) * 10 + draw(st.sampled_from([0, 43_200])),
        "purchase" if buys else draw(st.sampled_from(["view", "click", "add_to_cart", "refund"])),
        session=draw(st.sampled_from([None, None, "s", "t"])),
        order_id=draw(st.sampled_from(["o", "p", "q"])) if buys else None,
        quantity=draw(st.sampled_from([None, 1, 3, -1])) if buys else None,
    )


def histories() -> st.SearchStrategy[list[Row]]:
    return st.lists(_events(), max_size=25)

"""How good recommendations are, measured on time that training has not seen; pure, no framework.

Every strategy ranks the whole catalogue for the same cases: no sampled negatives, which would order strategies
differently than the truth does (Krichene, Rendle: On Sampled Metrics for Item Recommendation, KDD 2020).

| module      | does                                                                             |
|-------------|----------------------------------------------------------------------------------|
| `types`     | a case, an estimate with its interval, the quality of a strategy                 |
| `holdout`   | the moment that divides training from judging                                    |
| `cases`     | cases out of held-out sessions, orders, histories, or a published test set       |
| `metrics`   | hits, reciprocal ranks, NDCG, recall; coverage, novelty, popularity bias         |
| `bootstrap` | intervals of means and of differences, resampling whole visits                   |
| `runner`    | asks a strategy for its slates of all cases                                      |
| `judging`   | whether a model may replace the live one, and why, in plain words                |

The usual way: `holdout.split_moment` → `holdout.divide` → train on one part → `cases.next_item_cases` of the other →
`runner.evaluate` the strategy, the live one and `popular` → `judging.judge`.
"""

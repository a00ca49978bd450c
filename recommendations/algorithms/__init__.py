"""Pure recommendation algorithms: tables in, tables out, no framework.

Each building job is a function `job(interactions, params) -> ibis.Table` whose result has one of the schemas in
`types`. Nothing runs until the caller executes the expression, usually on the connection that `engine.open_engine`
gives; the same expression runs on any Ibis backend with window functions.

| module       | builds                                                                              |
|--------------|-------------------------------------------------------------------------------------|
| `sessions`   | visits, in order, out of raw interactions                                           |
| `coview`     | the gap-decayed item-item table behind `session`, `for_you` and `also_viewed`       |
| `baskets`    | frequently bought together, with support, confidence and lift as evidence           |
| `content`    | similar items by their text, and lists for items nobody has seen yet                |
| `backing`    | lists that rest on little, backed by what the texts say                             |
| `popularity` | popular items                                                                       |
| `repurchases`| what is bought again, by which share of the buyers and after how long               |
| `hashing`    | numbers for the ids of visitors and visits                                           |
| `scoring`    | the serving-time merge of neighbour lists (no table engine involved)                |
"""

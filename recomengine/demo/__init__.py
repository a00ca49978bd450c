"""Two example shops: `gift_shop` (real orders) and `home_goods` (a fictional catalogue with simulated shoppers).

They only turn the files in `data/` into the plain dicts that the v1 API takes; `data/ATTRIBUTION.md` names the sources.
"""

"""Makes the compact copies in `data/` from the two original files; `data/ATTRIBUTION.md` says what changes and why.

python -m recomengine.demo.build_data online_retail.parquet products.yaml
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from recomengine.demo.gift_shop import HEADER_SCHEMA, LINES_SCHEMA
from recomengine.demo.home_goods import PRODUCTS_SCHEMA

DATA = Path(__file__).parent / "data"
PRODUCT_CODE = r"\d{5}[A-Z]*|DCGS\w+"
SERVICE_CODES = ("22016", "23444", "23574", "23702")  # gift voucher, next day carriage, packing charge, image
RETAIL_COLUMNS = {
    "InvoiceNo": "invoice",
    "StockCode": "item_id",
    "Description": "description",
    "Quantity": "quantity",
    "InvoiceDate": "invoice_date",
    "UnitPrice": "price",
    "CustomerID": "customer",
    "Country": "country",
}


def sold_lines(original: pd.DataFrame) -> pd.DataFrame:
    """The original's lines that were really charged: no cancellation ("C"), no adjustment ("A"), all above zero."""
    frame = original.rename(columns=RETAIL_COLUMNS)
    invoiced = ~frame["invoice"].str.startswith(("C", "A"))
    frame = frame[invoiced & (frame["quantity"] > 0) & (frame["price"] > 0)]
    return frame.assign(item_id=frame["item_id"].str.strip().str.upper(), description=frame["description"].str.strip())


def product_lines(sold: pd.DataFrame) -> pd.DataFrame:
    """The sold lines whose code is a product's, sorted by invoice and item."""
    is_product = sold["item_id"].str.fullmatch(PRODUCT_CODE) & ~sold["item_id"].isin(SERVICE_CODES)
    return sold[is_product].sort_values(["invoice", "item_id", "description", "price", "quantity", "invoice_date"])


def headers_without_products(sold: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """One row per invoice that was charged for something, but for no product."""
    rest = sold[~sold["invoice"].isin(products["invoice"])]
    return rest.sort_values(["invoice", "invoice_date"]).drop_duplicates("invoice")


def home_goods_products(source: Path) -> list[dict[str, Any]]:
    """The fictional products in the source's order, without what belongs to their pictures or to a voice assistant."""
    renamed = {"id": "item_id", "name": "title"}
    products = yaml.load(source.read_bytes(), Loader=yaml.CSafeLoader)
    return [{renamed.get(key, key): value for key, value in product.items()} for product in products]


def write(table: pa.Table, name: str) -> None:
    """Write `table` to `data/` as one dictionary-encoded row group under zstd's highest level."""
    big = 1 << 24
    pq.write_table(
        table,
        DATA / name,
        compression="zstd",
        compression_level=22,
        row_group_size=big,
        data_page_size=big,
        dictionary_pagesize_limit=big,
    )


def write_frame(frame: pd.DataFrame, schema: pa.Schema, name: str) -> None:
    """Write the columns of `schema` without the index and without pandas' own metadata."""
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    write(table.replace_schema_metadata(None), name)


def main() -> None:
    """Read the two paths from the command line and write the three data files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("online_retail", type=Path, help="UCI Online Retail, as Parquet with the original columns")
    parser.add_argument("products", type=Path, help="products.yaml of the AWS Retail Demo Store")
    paths = parser.parse_args()
    sold = sold_lines(pd.read_parquet(paths.online_retail))
    products = product_lines(sold)
    write_frame(products, LINES_SCHEMA, "gift_shop.parquet")
    write_frame(headers_without_products(sold, products), HEADER_SCHEMA, "gift_shop_orders_without_products.parquet")
    write(pa.Table.from_pylist(home_goods_products(paths.products), schema=PRODUCTS_SCHEMA), "home_goods.parquet")


if __name__ == "__main__":
    main()

"""Imports as somebody sets them up and starts them at a browser."""

import re
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from catalog.importing import running
from tenants.types import TenantRef
from tests.dashboard.test_overview import words

FEED = b"""sku;name;price;colour;weight
a-1;Red lantern;9.95;red;340
a-2;Blue lantern;cheap;blue;350
a-3;Green lantern;19.00;green;360
"""


def chosen(browser: Client, content: bytes = FEED, filename: str = "feed.csv", **fields: Any) -> str:
    """Step 1 with a file; the address of step 2."""
    answer = browser.post("/catalog/import/", {"file": SimpleUploadedFile(filename, content), **fields})
    assert answer.status_code == 302, words(answer.content)
    return str(answer["Location"])


def form(browser: Client, address: str, **changes: str) -> dict[str, str]:
    """What step 2 would send as it stands, with some changes; a column is named by its name."""
    page = browser.get(address).content.decode()
    fields = {"format": selected(page, "format")[0], "mode": "delta"}
    names = re.findall(r'name="name-(\d+)" value="([^"]*)"', page)
    fields |= dict(re.findall(r'type="hidden" name="(columns_of)" value="([^"]*)"', page))
    for number, name in names:
        plain = name.replace("&quot;", '"').strip('"')
        fields[f"name-{number}"] = f'"{plain}"'
        fields[f"column-{number}"] = changes.pop(plain, selected(page, f"column-{number}")[0])
    return fields | changes


def selected(page: str, name: str) -> list[str]:
    select = page.split(f'name="{name}"', 1)[1].split("</select>", 1)[0]
    return re.findall(r'<option value="([^"]*)" selected>', select)


def started(browser: Client, address: str, **changes: str) -> str:
    answer = browser.post(address, {**form(browser, address, **changes), "start": "yes"})
    assert answer.status_code == 302, words(answer.content)
    return str(answer["Location"])


def imported(browser: Client, tenant: TenantRef, address: str, **changes: str) -> str:
    """Start and run it; the address of its report."""
    report = started(browser, address, **changes)
    running.run_pending(tenant)
    return report


def text_of(browser: Client, address: str, **headers: str) -> str:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200
    return words(b"<main" + answer.content)

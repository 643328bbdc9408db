"""`snapcut simulate`: its rows."""

import json

import pytest


@pytest.mark.parametrize("subject", ["partition", "subset-sum", "lottery", "path-following"])
def test_a_simulation_writes_its_rows(here, subject):
    content = json.loads(here("simulate", subject, "--trials", "100", "--json", "-").stdout)
    assert content["simulation"] == subject.replace("-", "_") and content["parameters"] == {"trials": 100}
    keys = {"quantity", "measured", "low", "high", "theory", "source", "trials"}
    assert all(row.keys() == keys for row in content["rows"])
    first = content["rows"][0]
    assert first["low"] <= first["measured"] <= first["high"] and first["trials"] == 100
